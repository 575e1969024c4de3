"""`get_form`: describes the types, sizes and shapes of a mixed value, without its data.

A form is a JSON value: the name of a type for a plain scalar, an object for other values. The
*storage* says how the value is written: `pure-plain` as JSON, `pure-binary` as an array,
`mixed-plain` as a container of both. The text of a form is part of a mixed buffer, so the order
of its keys is part of the byte format.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from seamless.util.mixed.refused_dtypes import (
    dtype_error,
    packed_error,
    scalar_advice,
    subarray_error,
)

Form = Any  # a str or a dict of JSON values

PURE_PLAIN = "pure-plain"
PURE_BINARY = "pure-binary"
MIXED_PLAIN = "mixed-plain"

#: NumPy kind -> type in a form; other kinds have no form
_KINDS = {"b": "boolean", "i": "integer", "u": "integer", "f": "number", "S": "string"}
_KINDS["U"] = "string"
_SUBARRAY_KINDS = "biuf"
#: NumPy kind of a scalar -> type of the JSON number that is stored for it
_NUMBERS = {"i": "integer", "u": "integer", "f": "number"}


def get_form(value: Any) -> tuple[str, Form]:
    """Return the storage and the form of a value.

    Parameters
    ----------
    value
        None, bool, int, float, str, bytes, NumPy scalars, records and arrays (native byte
        order; structured types aligned), and dicts, lists and tuples of these.

    Returns
    -------
    storage, form
        See the docstring of the module.

    Raises
    ------
    TypeError
        If the value, or a value inside it, has no form.
    """
    scalar = scalar_form(value)
    if scalar is not None:
        return PURE_PLAIN, scalar
    if isinstance(value, dict):
        return _dict_form(value)
    if isinstance(value, (list, tuple)):
        return _list_form(value)
    return PURE_BINARY, binary_form(value)


def scalar_form(value: Any) -> str | None:
    """Return the type of a value that JSON can hold as a scalar; None for other values."""
    if value is None:
        return "null"
    if isinstance(value, (bool, int, float, str)):
        return _SCALARS.get(type(value)) or _scalar_subclass(value)
    if isinstance(value, np.generic):
        return _NUMBERS.get(value.dtype.kind)
    return None


_SCALARS = {bool: "boolean", int: "integer", float: "number", str: "string"}


def _scalar_subclass(value: bool | int | float | str) -> str:
    if isinstance(value, str):
        return "string"
    return "integer" if isinstance(value, int) else "number"


# -- containers ---------------------------------------------------------------------------


def _dict_form(value: dict[Any, Any]) -> tuple[str, Form]:
    properties = {}
    storage = PURE_PLAIN
    for key, item in value.items():
        item_storage, form = get_form(item)
        if item_storage != PURE_PLAIN:
            storage = MIXED_PLAIN
            form = {**form, "storage": item_storage}
        key_text(key)
        properties[key] = form  # not by its text, which JSON writes: see list_form_of
    return storage, {"type": "object", "properties": properties} if value else {"type": "object"}


def key_text(key: Any) -> str:
    """Return the text of a key, as JSON writes scalar keys.

    Raises
    ------
    TypeError
        For a key that JSON can't write.
    """
    if isinstance(key, str):
        return str.__str__(key)  # not str(key): a subclass such as an enum may override it
    if key is None or isinstance(key, (bool, int, float)):
        return json.dumps(key)
    raise TypeError(f"a key of a mixed dict is text or a plain number, not {type(key).__name__}")


def _list_form(value: list[Any] | tuple[Any, ...]) -> tuple[str, Form]:
    forms = []
    storage = PURE_PLAIN
    for item in value:
        item_storage, form = get_form(item)
        if item_storage != PURE_PLAIN:
            storage = MIXED_PLAIN
            form = {**form, "storage": item_storage}
        forms.append(form)
    return storage, list_form_of(forms)


def list_form_of(forms: list[Form]) -> Form:
    """Return the form of a list from the forms of its items; equal forms are stored once.

    Forms are compared as Python objects, with the keys of dicts unconverted: 1 equals True, and
    differs from "1".
    """
    identical = not forms or forms.count(forms[0]) == len(forms)
    items = (forms[0] if forms else None) if identical else forms
    return {"type": "array", "items": items, "identical": identical, "shape": [len(forms)]}


# -- arrays and records -------------------------------------------------------------------


def binary_form(value: Any) -> Form:
    """Return the form of an array, a record or bytes.

    Raises
    ------
    TypeError
        For other values, and for types without a form: complex numbers, dates, objects,
        non-native byte order, structures that are not aligned.
    """
    if isinstance(value, (bytes, np.bytes_)):
        value = np.array(value)
    if isinstance(value, np.ndarray):
        return _array_form(value)
    if isinstance(value, np.void) and value.dtype.names is not None:
        return dtype_form(value.dtype)
    raise TypeError(f"a mixed value can't hold {_describe(value)}")


def _describe(value: Any) -> str:
    name = type(value).__name__
    if type(value) is complex:
        return f"{name}; {scalar_advice('c')}"
    if not isinstance(value, np.generic):
        return name
    return f"a NumPy scalar of dtype {value.dtype}; {scalar_advice(value.dtype.kind)}"


def _array_form(array: np.ndarray[Any, Any]) -> Form:
    form = {
        "type": "array",
        "items": dtype_form(array.dtype),
        "identical": True,
        "shape": list(array.shape),
        "contiguous": True,
    }
    strides = _stored_strides(array)
    if strides is not None:
        form |= {"contiguous": False, "strides": strides}
    return form


def _stored_strides(array: np.ndarray[Any, Any]) -> list[int] | None:
    """Return the strides in bytes if the array is not contiguous in C order, else None.

    Unlike NumPy's flag, this also compares the stride of an axis of length one, and those of an
    empty array: forms have always been so.
    """
    expected = array.itemsize
    for length, stride in zip(reversed(array.shape), reversed(array.strides), strict=True):
        if stride != expected:
            return list(array.strides)
        expected *= length
    return None


def dtype_form(
    dtype: np.dtype[Any],
    *,
    inside_subarray: bool = False,
    array: str = "array",
    whole: np.dtype[Any] | None = None,
) -> Form:
    """Return the form of one item of a NumPy dtype.

    Parameters
    ----------
    dtype
        The dtype.
    inside_subarray
        Whether it is the dtype of the items of a subarray.
    array
        The expression for the array in errors: `array['field']` for a field of a structure.
    whole
        The outermost structure, if the dtype is that of a field.

    Raises
    ------
    TypeError
        For a dtype without a form.
    """
    if dtype.names is not None:
        return _struct_form(dtype, array, whole or dtype)
    kind = _KINDS.get(dtype.kind)
    if kind is None or not dtype.isnative:
        raise dtype_error(dtype, array)
    form = {"type": kind, "bytesize": dtype.itemsize}
    if kind == "integer":
        # forms have always described the unsigned items of a subarray as signed
        form["unsigned"] = dtype.kind == "u" and not inside_subarray
    return form


def _struct_form(dtype: np.dtype[Any], array: str, whole: np.dtype[Any]) -> Form:
    if not dtype.isalignedstruct:
        raise packed_error(whole)
    names = dtype.names or ()
    fields = {name: _field_form(dtype[name], f"{array}[{name!r}]", whole) for name in names}
    return {
        "type": "object",
        "properties": fields,
        "bytesize": dtype.itemsize,
        "order": list(names),
    }


def _field_form(dtype: np.dtype[Any], array: str, whole: np.dtype[Any]) -> Form:
    if dtype.subdtype is None:
        return dtype_form(dtype, array=array, whole=whole)
    base, shape = dtype.subdtype
    if base.kind not in _SUBARRAY_KINDS:
        raise subarray_error(base, array)
    return {
        "type": "tuple",
        "items": dtype_form(base, inside_subarray=True, array=array),
        "identical": True,
        "shape": list(shape),
    }
