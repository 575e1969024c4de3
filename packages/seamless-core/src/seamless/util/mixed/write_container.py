"""Writes a mixed container: one walk collects the form, the template and the arrays.

The template is the value with 0 in place of each array.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any

import numpy as np

from seamless.checksum.lossy_values import warn_of_array, warn_of_bytes
from seamless.util.mixed.array_data import data_bytes
from seamless.util.mixed.format import (
    DATA_SIZES,
    FORM_SIZE,
    MAGIC_SEAMLESS,
    MAGIC_SEAMLESS_MIXED,
)
from seamless.util.mixed.get_form import (
    MIXED_PLAIN,
    PURE_BINARY,
    PURE_PLAIN,
    binary_form,
    key_text,
    list_form_of,
    scalar_form,
)
from seamless.util.mixed.write_form import ArrayForms, check_array
from seamless.util.mixed.write_json import plain_scalar


@dataclass
class _Writer:
    """Collects the arrays of one value while it is walked."""

    forms: ArrayForms
    data: list[Any] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    #: whether a dict has keys that are not strings; such keys may be equal but differ as text
    other_keys: bool = False

    def add(self, data: Any, size: int) -> None:
        """Append the data of an array: any object that `bytes.join` accepts."""
        self.data.append(data)
        self.sizes.append(size)


def write_container(value: Any) -> bytes:
    """Write a dict, list or tuple that contains arrays at any depth.

    Raises
    ------
    TypeError
        For a value that a mixed buffer can't hold.
    """
    attempt = 0
    while (content := _write(value, attempt)) is None:
        attempt += 1
    return content


def check_container(value: Any) -> None:
    """Raise the errors of `write_container`, without writing the data.

    Raises
    ------
    TypeError
        For a value that a mixed buffer can't hold.
    """
    _walk(value, _Writer(ArrayForms()))


def _write(value: Any, attempt: int) -> bytes | None:
    """Write a value; return None if it has keys that look like form ids of this attempt."""
    writer = _Writer(ArrayForms(attempt))
    storage, form, template = _walk(value, writer)
    head = writer.forms.text(form)
    if head is None:
        return None
    offsets = [0, *accumulate(writer.sizes)]
    text = json.dumps([offsets, template]).encode()
    name = storage.encode()
    return b"".join((
        MAGIC_SEAMLESS_MIXED, bytes([len(name)]), name,
        FORM_SIZE.pack(len(head)), head,
        MAGIC_SEAMLESS, DATA_SIZES.pack(len(text), offsets[-1]), text,
        *writer.data,
    ))  # fmt: skip


def _walk(value: Any, writer: _Writer) -> tuple[str, Any, Any]:
    """Return the storage, form and template of a value; add its arrays to the writer."""
    if type(value) is np.ndarray:
        return PURE_BINARY, _walk_array(value, writer), 0
    value = plain_scalar(value)
    scalar = scalar_form(value)
    if scalar is not None:
        return PURE_PLAIN, scalar, value
    if isinstance(value, dict):
        return _walk_dict(value, writer)
    if isinstance(value, (list, tuple)):
        return _walk_list(value, writer)
    if isinstance(value, bytes):
        warn_of_bytes(value)
        return PURE_BINARY, _walk_array(np.asarray(value), writer), 0
    if isinstance(value, np.ndarray):
        warn_of_array(value)
        return PURE_BINARY, _walk_array(np.asarray(value), writer), 0
    form = binary_form(value)
    check_array(np.asarray(value), form)
    data = data_bytes(np.asarray(value))
    writer.add(data, len(data))
    return PURE_BINARY, writer.forms.id_of(form), 0


def _walk_array(array: np.ndarray[Any, Any], writer: _Writer) -> str:
    """Add an array to the writer; return the id of its form."""
    kind = writer.forms.kind(array)
    if kind.direct:
        writer.add(array, kind.size)
    else:
        data = data_bytes(array)
        writer.add(data, len(data))
    return kind.form_id


def _walk_dict(value: dict[Any, Any], writer: _Writer) -> tuple[str, Any, Any]:
    if type(value) is not dict:
        value = dict(value.items())  # a subclass may override items()
    if not value:
        return PURE_PLAIN, {"type": "object"}, {}
    forms: dict[Any, Any] = {}
    template: dict[str, Any] = {}
    with_arrays: list[str] = []
    kind_of, data, sizes = writer.forms.kind, writer.data, writer.sizes
    for key in _sorted_keys(value):
        item = value[key]
        if type(item) is np.ndarray and (kind := kind_of(item)).direct:  # `_walk` without calls
            data.append(item)
            sizes.append(kind.size)
            storage, form, part = PURE_BINARY, kind.form_id, 0
        else:
            storage, form, part = _walk(item, writer)
            _set_storage(form, storage)
        text = key if type(key) is str else _other_key(key, writer)
        if storage != PURE_PLAIN:
            with_arrays.append(text)
        forms[key], template[text] = form, part
    if len(template) < len(forms):
        raise TypeError("keys of a dict with arrays differ, but are equal as text")
    _check_key_order(with_arrays)
    if list(forms) != list(value):
        texts = dict(zip(forms, template, strict=True))
        forms = {key: forms[key] for key in value}
        template = {texts[key]: template[texts[key]] for key in value}
    storage = MIXED_PLAIN if with_arrays else PURE_PLAIN
    return storage, {"type": "object", "properties": forms}, template


def _sorted_keys(value: dict[Any, Any]) -> list[Any]:
    try:
        return sorted(value)
    except TypeError:
        names = sorted({type(key).__name__ for key in value})
        raise TypeError(
            f"keys of the types {', '.join(names)} can't be sorted; use text as keys"
        ) from None


def _other_key(key: Any, writer: _Writer) -> str:
    writer.other_keys |= not isinstance(key, str)
    return key_text(key)


def _set_storage(form: Any, storage: str) -> None:
    # the form of a scalar is its name; for a form id, `ArrayForms` has set the storage
    if storage != PURE_PLAIN and isinstance(form, dict):
        form["storage"] = storage


def _check_key_order(keys: list[str]) -> None:
    """Refuse number keys whose arrays would be read under other keys."""
    if keys != sorted(keys):
        raise TypeError(
            f"the keys {', '.join(keys[:5])} sort differently as numbers and as text, so their "
            "arrays would be exchanged on reading; use text as keys"
        )


def _walk_list(value: list[Any] | tuple[Any, ...], writer: _Writer) -> tuple[str, Any, Any]:
    forms, template = [], []
    storage = PURE_PLAIN
    for item in value:
        storage_, form, part = _walk(item, writer)
        _set_storage(form, storage_)
        if storage_ != PURE_PLAIN:
            storage = MIXED_PLAIN
        forms.append(form)
        template.append(part)
    form = list_form_of(forms)
    if storage == MIXED_PLAIN and form["identical"] and isinstance(forms[0], dict):
        _check_row_order(forms, writer.forms)
        if writer.other_keys:
            _check_row_keys(forms)
    return storage, form, template


def _check_row_order(forms: list[Any], arrays: ArrayForms) -> None:
    """Refuse dicts of equal forms whose arrays have another order; see `list_form_of`."""
    first, *others = (_array_types(form, arrays) for form in forms)
    if any(types != first for types in others):
        raise TypeError(
            "the dicts of a list hold the same kinds of values in another order of keys; "
            "bring the keys of all of them into one order"
        )


def _check_row_keys(forms: list[Any]) -> None:
    """Refuse dicts whose keys are equal, so that they share one form, but differ as text."""
    first, *others = (json.loads(json.dumps(form)) for form in forms)
    if any(form != first for form in others):
        raise TypeError(
            "the dicts of a list have keys that are equal, as 1 and True are, but not the same "
            "as text, so their arrays would change keys on reading; use text as keys"
        )


def _array_types(form: dict[str, Any], arrays: ArrayForms) -> list[Any]:
    """Return the type of each array of a dict's form, None for other values, in key order."""
    items = map(arrays.form_of, form.get("properties", {}).values())
    return [
        item["items"] if isinstance(item, dict) and {"storage", "items"} <= item.keys() else None
        for item in items
    ]
