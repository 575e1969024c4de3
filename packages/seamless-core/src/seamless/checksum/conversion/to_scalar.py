"""Converts values to buffers of `str`, `int`, `float` and `bool`.

These conversions are stricter than the codecs of these cell types, which use Python's own:
`bool("False")` is true there. Here text must be `true`, `false` or a number.
"""

from __future__ import annotations

from typing import Any

from seamless.checksum.celltypes import codec_of
from seamless.checksum.json_ import json_loads

_TRUTH_VALUES = {"true": True, "false": False}


def to_str(value: Any) -> bytes:
    """Write the text of a JSON scalar; numbers and truth values as Python's `str` has them."""
    if not isinstance(value, (str, int, float)):
        raise ValueError(f"{_kind(value)} is not a string, number or truth value")
    return codec_of("str").to_bytes(value)


def to_int(value: Any) -> bytes:
    """Write an integer; the fraction of a float is cut off, as by `int`.

    An `int` buffer is read as a float beyond 64 bits, so only integers that a float holds
    exactly are accepted there.
    """
    number = int(_scalar(value))
    content = b"%d\n" % number
    if int(json_loads(content)) != number:
        raise ValueError(f"an int buffer can't hold {number} exactly: it has more than 64 bits")
    return content


def to_float(value: Any) -> bytes:
    """Write a float. NaN and the infinities are refused, because JSON lacks them."""
    number = float(_scalar(value))
    content = codec_of("float").to_bytes(number)
    if content == b"null\n":
        raise ValueError(f"a float buffer can't hold {number}")
    return content


def to_bool(value: Any) -> bytes:
    """Write a truth value: whether a number is not zero, or the truth value that a text names."""
    scalar = _scalar(value)
    if isinstance(scalar, str):
        named = _TRUTH_VALUES.get(scalar.strip().lower())
        scalar = float(scalar) if named is None else named
    if scalar != scalar:  # noqa: PLR0124 - only NaN differs from itself
        raise ValueError("NaN is neither true nor false")
    return codec_of("bool").to_bytes(bool(scalar))


def _scalar(value: Any) -> Any:
    """Return a value that is a single number, truth value or text.

    An array without dimensions is accepted. An array of one item is refused; NumPy deprecates
    its conversion too.
    """
    if isinstance(value, (str, int, float)):
        return value
    dtype, shape = getattr(value, "dtype", None), getattr(value, "shape", None)
    if dtype is None or shape != () or dtype.kind not in "biufS":
        raise ValueError(f"{_kind(value)} is not a single number")
    item = value.item()
    return item.decode() if isinstance(item, bytes) else item


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    shape = getattr(value, "shape", None)
    return type(value).__name__ if shape is None else f"an array of shape {shape}"
