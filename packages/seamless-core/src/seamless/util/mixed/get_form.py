"""The form of a mixed value: its types, sizes and shapes, without its data.

A form is JSON: the name of a type for a plain scalar, else an object. The *storage* beside
it says how the value is written: `pure-plain` as JSON, `pure-binary` as an array,
`mixed-plain` as a container of both. The text of a form is part of a mixed buffer, so the
order of the keys made here is a byte format.
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

#: NumPy kind -> type of a form; other kinds have no form
_KINDS = {"b": "boolean", "i": "integer", "u": "integer", "f": "number", "S": "string"}
_KINDS["U"] = "string"
_SUBARRAY_KINDS = "biuf"
#: NumPy kind of a scalar -> type of the JSON number that stands for it
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
        See the module.

    Raises
    ------
    TypeError
        For a value that has no form, wherever it stands.
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
    """Name the type of a value that JSON can hold as a scalar; None for all others."""
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
        properties[key] = form  # under the key itself: JSON writes the text, see list_form_of
    return storage, {"type": "object", "properties": properties} if value else {"type": "object"}


def key_text(key: Any) -> str:
    """Name a key as JSON does, which writes scalar keys as text.

    Raises
    ------
    TypeError
        For a key that JSON can't write.
    """
    if isinstance(key, str):
        return str.__str__(key)  # a text enum shows itself as something else
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
    """Return the form of a list from those of its items, which stand once if all are equal.

    Equal as Python has it, with the keys of dicts as they are: 1 is True, and not "1".
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
        foreign byte order, structures that are not aligned.
    """
    if isinstance(value, (bytes, np.bytes_)):
        value = np.array(value)
    if isinstance(value, np.ndarray):
        return _array_form(value)
    if isinstance(value, np.void) and value.dtype.names is not None:
        return dtype_form(value.dtype)
    raise TypeError(f"a mixed value can't hold {_described(value)}")


def _described(value: Any) -> str:
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
    strides = _noted_strides(array)
    if strides is not None:
        form |= {"contiguous": False, "strides": strides}
    return form


def _noted_strides(array: np.ndarray[Any, Any]) -> list[int] | None:
    """Return the strides in bytes if the array does not fill its memory in C order.

    An axis of one element counts here as any other, unlike in NumPy's own flag: forms have
    always noted it, and an empty array is noted with its strides too.
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
    """Return the form of one item of a NumPy type.

    Parameters
    ----------
    dtype
        The type.
    inside_subarray
        Whether it is the type of the items of a subarray.
    array
        What an array of it is called in errors: `array['field']` for a field of a structure.
    whole
        The structure around all, if the type is that of a field.

    Raises
    ------
    TypeError
        For a type without a form.
    """
    if dtype.names is not None:
        return _struct_form(dtype, array, whole or dtype)
    kind = _KINDS.get(dtype.kind)
    if kind is None or not dtype.isnative:
        raise dtype_error(dtype, array)
    form = {"type": kind, "bytesize": dtype.itemsize}
    if kind == "integer":
        # forms have always called the unsigned items of a subarray signed
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
