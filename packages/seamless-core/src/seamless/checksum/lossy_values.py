"""Warnings about values that a cell type stores only in part.

The stored bytes are a contract and do not change, so two values that differ only in the omitted
part have the same checksum. A `LossyValueWarning` names the type of the value and a way to store
all of it.
"""

from __future__ import annotations

import itertools
import re
import sys
import types
import warnings
from typing import Any

from seamless.errors import LossyValueWarning

#: types whose text contains the whole value
_WHOLE = (str, bytes, bytearray, int, float, complex, range, type(None))
_CONTAINERS = (dict, list, tuple, set, frozenset)
#: in the text of an object: signs that it is shortened or shows a memory address
_SHORTENED = re.compile(r"\.\.\.|…| at 0x[0-9a-fA-F]")
#: in the text of a container: the same, or signs of arrays or tables (line breaks) inside
_SUSPECT = re.compile(_SHORTENED.pattern + r"|array\(|\n")


def text_of(value: object) -> str:
    """Return `str(value)`; warn if the text does not contain the whole value."""
    text = str(value)
    if not isinstance(value, _WHOLE):
        part = _lossy_part(value, text)
        if part is not None:
            kind = f"{type(part).__module__}.{type(part).__qualname__}".removeprefix("builtins.")
            warn_of_loss(
                f"str() of a value of type {kind} leaves out a part of it or shows a memory "
                f"address, so other values get the same checksum, or this one another; "
                f"{_advice(part)}"
            )
    return text


def warn_of_array(value: object) -> None:
    """Warn if a value that NumPy converts to an array loses data in the conversion."""
    numpy: Any = sys.modules["numpy"]
    if isinstance(value, numpy.ma.MaskedArray) and numpy.ma.is_masked(value):
        warn_of_loss(
            f"the mask of a value of type {type(value).__name__} is not stored; store "
            "{'data': value.data, 'mask': value.mask} as mixed"
        )
    elif hasattr(value, "iloc"):
        warn_of_loss(
            f"the index and the names of a value of type {type(value).__name__} are not stored; "
            f"{_advice(value)}"
        )


def warn_of_bytes(value: bytes) -> None:
    """Warn if bytes in a mixed value are read as an array whose `item()` differs from them."""
    if value.endswith(b"\0"):
        warn_of_loss(
            "bytes that end in NUL are read from mixed as an array, of which item() drops the "
            "NULs; use its tobytes(), which keeps them, or store them as bytes"
        )


def warn_of_loss(message: str) -> None:
    """Issue a warning for the line outside of this package that stores the value."""
    level, frame = 1, sys._getframe()
    while frame.f_back and frame.f_globals.get("__name__", "").partition(".")[0] == "seamless":
        level, frame = level + 1, frame.f_back
    warnings.warn(message, LossyValueWarning, stacklevel=level)


def _lossy_part(value: object, text: str) -> object | None:
    """Return the part of a value that its text does not contain in full, or None."""
    if isinstance(value, _CONTAINERS):
        if not _SUSPECT.search(text):
            return None
        try:
            return next(_lossy_leaves(value), None)
        except RecursionError:
            return value
    return next(_lossy_leaves(value), None)


def _lossy_leaves(value: object) -> Any:
    if isinstance(value, _WHOLE):
        return
    if isinstance(value, _CONTAINERS):
        parts = itertools.chain(*value.items()) if isinstance(value, dict) else value
        for part in parts:
            yield from _lossy_leaves(part)
    elif getattr(value, "shape", ()):
        if not _is_shown_in_full(value):
            yield value
    elif _SHORTENED.search(str(value)):
        yield value


def _is_shown_in_full(value: Any) -> bool:
    numpy: Any = sys.modules.get("numpy")
    if numpy is None or not isinstance(value, numpy.ndarray):
        return False
    if value.dtype.hasobject or value.size > numpy.get_printoptions()["threshold"]:
        return False
    # "unique" prints all digits of each number
    return str(value) == str(numpy.array2string(value, floatmode="unique"))


def _advice(value: object) -> str:
    if hasattr(value, "to_csv"):
        return (
            "store value.to_csv() as text, value.to_parquet() as bytes, or a dict of its columns "
            "as arrays as mixed"
        )
    if getattr(value, "shape", ()):
        return "store it as binary, or inside dicts and lists as mixed"
    if isinstance(value, types.FunctionType | types.MethodType | type):
        return "store inspect.getsource(value) as python"
    return "store the data that it holds as plain or mixed"
