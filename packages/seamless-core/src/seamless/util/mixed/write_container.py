"""Value → mixed container: one walk gathers the form, the JSON with holes, and the arrays."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .container import DATA_SIZES, FORM_SIZE, MAGIC_SEAMLESS, MAGIC_SEAMLESS_MIXED
from .form_dtype import form_dtype
from .get_form import (
    MIXED_PLAIN,
    PURE_BINARY,
    PURE_PLAIN,
    binary_form,
    key_text,
    list_form_of,
    scalar_form,
)
from .json_value import plain_scalar
from .padding import data_bytes, padding_mask


@dataclass
class _Writer:
    """Gathers the arrays of one value while it is walked."""

    parts: list[Any] = field(default_factory=list)
    #: forms of the arrays met so far, by all that a form depends on; a value with ten thousand
    #: arrays of one kind is walked three times as fast with them
    forms: dict[Any, Any] = field(default_factory=dict)
    offsets: list[int] = field(default_factory=lambda: [0])
    #: whether a dict had keys that are no text, which may be equal and yet differ as text
    other_keys: bool = False

    def add(self, data: Any, size: int) -> None:
        """Take the data of an array: anything whose bytes can be joined."""
        self.parts.append(data)
        self.offsets.append(self.offsets[-1] + size)


def write_container(value: Any) -> bytes:
    """Write a dict, list or tuple with arrays somewhere inside.

    Raises
    ------
    TypeError
        For a value that a mixed buffer can't hold.
    """
    writer = _Writer()
    storage, form, holes = _walk(value, writer)
    head = json.dumps(form).encode()
    text = json.dumps([writer.offsets, holes]).encode()
    name = storage.encode()
    return b"".join((
        MAGIC_SEAMLESS_MIXED, bytes([len(name)]), name,
        FORM_SIZE.pack(len(head)), head,
        MAGIC_SEAMLESS, DATA_SIZES.pack(len(text), writer.offsets[-1]), text,
        *writer.parts,
    ))  # fmt: skip


def _walk(value: Any, writer: _Writer) -> tuple[str, Any, Any]:
    """Return storage, form and the value with holes; the arrays go to the writer."""
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
    form = binary_form(value)
    _check_leaf(np.asarray(value), form)
    data = data_bytes(np.asarray(value))
    writer.add(data, len(data))
    return PURE_BINARY, form, 0


def _walk_array(array: np.ndarray[Any, Any], writer: _Writer) -> Any:
    """Return the form of an array, which is made once for all arrays that have the same."""
    key = array.dtype, array.shape, array.strides
    form = writer.forms.get(key)
    if form is None:
        form = binary_form(array)
        _check_leaf(array, form)
        form["storage"] = PURE_BINARY
        writer.forms[key] = form
    if array.flags.c_contiguous and array.size and padding_mask(array.dtype) is None:
        writer.add(array, array.nbytes)
    else:
        data = data_bytes(array)
        writer.add(data, len(data))
    return form


def _walk_dict(value: dict[Any, Any], writer: _Writer) -> tuple[str, Any, Any]:
    if not value:
        return PURE_PLAIN, {"type": "object"}, {}
    forms: dict[Any, Any] = {}
    holes: dict[str, Any] = {}
    with_arrays: list[str] = []
    storage = PURE_PLAIN
    for key in sorted(value):
        storage_, form, hole = _walk(value[key], writer)
        if storage_ != PURE_PLAIN:
            storage, form["storage"] = MIXED_PLAIN, storage_
        text = key_text(key)
        forms[key], holes[text] = form, hole
        writer.other_keys |= not isinstance(key, str)
        if storage_ != PURE_PLAIN:
            with_arrays.append(text)
    order = [key_text(key) for key in value]
    if len(holes) < len(order):
        raise TypeError("keys of a dict beside arrays are different, but the same as text")
    _check_key_order(with_arrays)
    return (
        storage,
        {"type": "object", "properties": {key: forms[key] for key in value}},
        {text: holes[text] for text in order},
    )


def _check_key_order(keys: list[str]) -> None:
    """Refuse number keys whose arrays would come back at another key's place."""
    if keys != sorted(keys):
        raise TypeError(
            f"the keys {', '.join(keys[:5])} sort differently as numbers and as text, so their "
            "arrays would be exchanged on reading; use text as keys"
        )


def _walk_list(value: list[Any] | tuple[Any, ...], writer: _Writer) -> tuple[str, Any, Any]:
    forms, holes = [], []
    storage = PURE_PLAIN
    for item in value:
        storage_, form, hole = _walk(item, writer)
        if storage_ != PURE_PLAIN:
            storage, form["storage"] = MIXED_PLAIN, storage_
        forms.append(form)
        holes.append(hole)
    form = list_form_of(forms)
    if storage == MIXED_PLAIN and form["identical"]:
        _check_row_order(forms)
        if writer.other_keys:
            _check_row_keys(forms)
    return storage, form, holes


def _check_row_order(forms: list[Any]) -> None:
    """Refuse rows of one form whose arrays stand at different places; see `list_form_of`."""
    first, *others = (_places_of_arrays(form) for form in forms)
    if any(places != first for places in others):
        raise TypeError(
            "the dicts of a list hold the same kinds of values in another order of keys; "
            "bring the keys of all of them into one order"
        )


def _check_row_keys(forms: list[Any]) -> None:
    """Refuse rows whose keys are equal, so that one form stands for all, but not as text."""
    first, *others = (json.loads(json.dumps(form)) for form in forms)
    if any(form != first for form in others):
        raise TypeError(
            "the dicts of a list have keys that are equal, as 1 and True are, but not the same "
            "as text, so their arrays would change keys on reading; use text as keys"
        )


def _places_of_arrays(form: Any) -> list[Any]:
    """Tell the type of each array in a form, and None for all else, in the order of keys."""
    properties = form.get("properties", {})
    return [
        item["items"] if "storage" in item and "items" in item else None
        for item in (p if isinstance(p, dict) else {} for p in properties.values())
    ]


def _check_leaf(array: np.ndarray[Any, Any], form: Any) -> None:
    """Refuse an array or record that the form will not give back as it is.

    Raises
    ------
    TypeError
        Where it would come back as another type: forms don't know unicode arrays, and call
        the unsigned items of a subarray signed.
    """
    items = form["items"] if form["type"] == "array" else form
    if form_dtype(items) != array.dtype:
        raise TypeError(f"an array of dtype {array.dtype} can't stand inside a mixed container")
