"""Conversions to `str`, `int`, `float` and `bool`: which values have one, and which.

Stricter than the codecs of these cell types, which take Python's word for it:
`bool("False")` is true there. Here text has to say `true`, `false` or a number.
"""

from __future__ import annotations

from typing import Any

from seamless.checksum.celltypes import codec_of
from seamless.checksum.json_ import json_loads

_TRUTH = {"true": True, "false": False}


def to_str(value: Any) -> bytes:
    """Write the text of a JSON scalar; numbers and truth values as Python shows them."""
    if not isinstance(value, (str, int, float)):
        raise ValueError(f"{_kind(value)} has no text of its own")
    return codec_of("str").to_bytes(value)


def to_int(value: Any) -> bytes:
    """Write an integer; the fraction of a float is cut off, as `int` does.

    Beyond 64 bits JSON is read as a float, so only integers that a float holds pass.
    """
    number = int(_scalar(value))
    if -(2**63) <= number < 2**64:
        return codec_of("int").to_bytes(number)
    content = b"%d\n" % number
    if int(json_loads(content)) != number:
        raise ValueError(f"an int cell can't hold {number} exactly: it has more than 64 bits")
    return content


def to_float(value: Any) -> bytes:
    """Write a float. NaN and the infinities have no JSON, so they are refused."""
    number = float(_scalar(value))
    content = codec_of("float").to_bytes(number)
    if content == b"null\n":
        raise ValueError(f"a float cell can't hold {number}")
    return content


def to_bool(value: Any) -> bytes:
    """Write a truth value: that of a number, or of a text that says one."""
    scalar = _scalar(value)
    if isinstance(scalar, str):
        said = _TRUTH.get(scalar.strip().lower())
        scalar = float(scalar) if said is None else said
    if scalar != scalar:  # noqa: PLR0124 - NaN is neither
        raise ValueError("NaN is neither true nor false")
    return codec_of("bool").to_bytes(bool(scalar))


def _scalar(value: Any) -> Any:
    """Return the one number, truth value or text that a value is.

    Arrays without dimensions count, arrays of one item don't: NumPy takes leave of that too.
    """
    if isinstance(value, (str, int, float)):
        return value
    dtype, shape = getattr(value, "dtype", None), getattr(value, "shape", None)
    if dtype is None or shape != () or dtype.kind not in "biufS":
        raise ValueError(f"{_kind(value)} is no single number")
    item = value.item()
    return item.decode() if isinstance(item, bytes) else item


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    shape = getattr(value, "shape", None)
    return type(value).__name__ if shape is None else f"an array of shape {shape}"
