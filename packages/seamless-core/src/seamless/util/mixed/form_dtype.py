"""Converts the form of an array to its NumPy dtype, with every entry of the form validated.

A form comes from a file and may be damaged or malicious. Only dtypes of plain data are created:
NumPy would dereference a pointer that comes from a file.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from seamless.errors import BufferFormatError, BufferTypeError

#: type of a form -> (its sizes in bytes, NumPy kind)
_NUMBERS = {
    "boolean": ((1,), "b"),
    "integer": ((1, 2, 4, 8), "i"),
    "number": ((2, 4, 8, np.dtype(np.longdouble).itemsize), "f"),
}
_MAX_ITEM_BYTES = 2**31 - 1  # NumPy's own limit


def form_dtype(form: Any) -> np.dtype[Any]:
    """Return the NumPy dtype of one item that a form describes.

    Raises
    ------
    BufferFormatError
        When the form is damaged, or describes a type that no array can hold.
    """
    kind = _entry(form, "type", str)
    if kind == "object":
        return _struct_dtype(form)
    size = _entry(form, "bytesize", int)
    if kind == "string":
        if not 0 <= size <= _MAX_ITEM_BYTES:
            raise BufferFormatError(f"a mixed buffer has text items of {size} bytes")
        return np.dtype(f"S{size}")
    if kind not in _NUMBERS:
        raise BufferTypeError(f"a mixed buffer has items of the unknown type {kind!r}")
    sizes, code = _NUMBERS[kind]
    if size not in sizes:
        raise BufferFormatError(f"a mixed buffer has items of type {kind!r} and {size} bytes")
    if kind == "integer" and form.get("unsigned") is True:
        code = "u"
    return np.dtype(f"{code}{size}")


def shape_of(form: Any) -> tuple[int, ...]:
    """Return the shape of a form.

    Raises
    ------
    BufferFormatError
        When it is not a list of lengths.
    """
    shape = _entry(form, "shape", list)
    if not all(type(length) is int and 0 <= length < 2**63 for length in shape):
        raise BufferFormatError(f"a mixed buffer has an array of shape {shape!r}")
    return tuple(shape)


def _entry(form: Any, key: str, kind: type) -> Any:
    value = form.get(key) if isinstance(form, dict) else None
    if type(value) is not kind:
        raise BufferFormatError(f"a form inside a mixed buffer has no valid {key!r} entry")
    return value


def _struct_dtype(form: dict[str, Any]) -> np.dtype[Any]:
    order = _entry(form, "order", list)
    properties = _entry(form, "properties", dict)
    if not order or sorted(map(str, order)) != sorted(properties):
        raise BufferFormatError("a structure inside a mixed buffer names its fields inconsistently")
    try:
        dtype = np.dtype([(name, _field_dtype(properties[name])) for name in order], align=True)
    except (TypeError, ValueError, KeyError) as error:
        raise BufferFormatError(
            f"a structure inside a mixed buffer is impossible: {error}"
        ) from None
    if dtype.itemsize != form.get("bytesize"):
        raise BufferFormatError(
            "a structure inside a mixed buffer has another size than its fields"
        )
    return dtype


def _field_dtype(form: Any) -> np.dtype[Any]:
    if not isinstance(form, dict) or form.get("type") != "tuple":
        return form_dtype(form)
    base = form_dtype(form.get("items"))
    shape = shape_of(form)
    if base.names is not None or math.prod(shape) * base.itemsize > _MAX_ITEM_BYTES:
        raise BufferFormatError("a structure inside a mixed buffer has an impossible field")
    return np.dtype((base, shape))
