"""Mixed container → value: every size and offset is checked before it is used.

The bytes may be damaged or hostile. Whatever is wrong with them gives a `BufferFormatError`.
"""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson

from seamless.checksum.refusals import value_path
from seamless.errors import BufferFormatError, BufferTypeError
from seamless.util.mixed.form_dtype import shape_of
from seamless.util.mixed.format import (
    DATA_SIZES,
    FORM_SIZE,
    MAGIC_SEAMLESS,
    MAGIC_SEAMLESS_MIXED,
)
from seamless.util.mixed.get_form import MIXED_PLAIN, PURE_BINARY, PURE_PLAIN
from seamless.util.mixed.npy import read_npy
from seamless.util.mixed.read_form import Leaf, read_form, read_leaf

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_MANY = 8  # arrays; fewer are made one by one

#: axes of arrays that can be rows: a lone item would be no array, and NumPy has a limit of 32
_AXES = range(1, 31)


@dataclass
class _Reader:
    """Hands out the arrays of one container in the order in which they were written."""

    data: memoryview
    offsets: list[int]
    #: what is known of a form, by the number that stands for it, or by its text
    leaves: dict[Any, Leaf]
    next: int = 0
    #: the same by the identity of a form, which lives as long as it is read
    known: dict[int, Leaf] = field(default_factory=dict)
    #: the keys and indices that an error has passed on its way out
    trail: list[Any] = field(default_factory=list)

    def leaf(self, form: Any) -> Leaf | None:
        """Return what a form says of an array; None if it is none of an array."""
        if type(form) is int:
            return self.leaves.get(form)
        if not isinstance(form, dict) or form.get("storage") != PURE_BINARY:
            return None
        leaf = self.known.get(id(form))
        if leaf is None:
            text = _form_key(form)
            leaf = self.leaves.get(text) or read_leaf(form)
            self.known[id(form)] = self.leaves[text] = leaf
        return leaf

    def take(self, leaf: Leaf) -> Any:
        """Make an array of its own from the bytes of one hole."""
        if self.next + 1 >= len(self.offsets):
            raise BufferFormatError("a mixed buffer has more arrays in its form than in its data")
        start, end = self.offsets[self.next : self.next + 2]
        self.next += 1
        return _filled(leaf, self.data[start:end])

    def take_all(self, leaf: Leaf, count: int) -> list[Any]:
        """Make arrays of one kind; as rows of one array, in a third of the time, if they fit."""
        begin, end = self.offsets[self.next], self.next + count
        rows = range(begin, begin + count * leaf.size + 1, leaf.size or 1)
        fit = leaf.size and self.offsets[self.next : end + 1] == list(rows)
        if not fit or len(leaf.shape) not in _AXES:
            return [self.take(leaf) for _ in range(count)]
        self.next = end
        block: Any = np.ndarray((count, *leaf.shape), leaf.dtype, self.data, begin)
        return [row.copy() for row in block]


def read_container(content: bytes | memoryview) -> Any:
    """Read a mixed container; its arrays are copies, which belong to the caller.

    Raises
    ------
    BufferFormatError
        When the content is damaged.
    """
    view = memoryview(content)
    storage, form_text, start = read_head(view)
    form, leaves = read_form(form_text)
    if storage == PURE_BINARY:
        return read_npy(view[start:])
    if storage == PURE_PLAIN:
        return _read_json(view[start:])
    if storage != MIXED_PLAIN:
        raise BufferFormatError(f"a mixed buffer has the unknown storage {storage!r}")
    data, offsets, holes = _read_data(view[start:])
    reader = _Reader(data, offsets, leaves)
    try:
        value = _fill(form, holes, reader)
    except BufferFormatError as error:
        if reader.trail:
            raise type(error)(f"{value_path(reader.trail[::-1])}: {error}") from None
        raise
    if reader.next + 1 != len(reader.offsets):
        raise BufferFormatError("a mixed buffer has more arrays in its data than in its form")
    return value


def read_head(view: memoryview) -> tuple[str, bytes, int]:
    """Return storage, the text of the form, and where the data part begins."""
    position = len(MAGIC_SEAMLESS_MIXED)
    size = _cut(view, position, 1)[0]
    storage = str(_cut(view, position + 1, size), "utf8")
    position += 1 + size
    (size,) = FORM_SIZE.unpack(_cut(view, position, FORM_SIZE.size))
    position += FORM_SIZE.size
    return storage, bytes(_cut(view, position, size)), position + size


def _read_data(view: memoryview) -> tuple[memoryview, list[int], Any]:
    """Return the arrays, where each begins, and the value with holes."""
    position = len(MAGIC_SEAMLESS)
    if view[:position] != MAGIC_SEAMLESS:
        raise BufferFormatError("a mixed buffer has no data part where its form ends")
    text_size, data_size = DATA_SIZES.unpack(_cut(view, position, DATA_SIZES.size))
    position += DATA_SIZES.size
    text = _read_json(_cut(view, position, text_size))
    data = _cut(view, position + text_size, data_size)
    if len(view) > position + text_size + data_size:
        raise BufferFormatError("a mixed buffer goes on after its data")
    if not isinstance(text, list) or len(text) != 2:
        raise BufferFormatError("the data part of a mixed buffer is no pair of offsets and value")
    offsets, holes = text
    _check_offsets(offsets, data_size)
    return data, offsets, holes


def _check_offsets(offsets: Any, size: int) -> None:
    if (
        not isinstance(offsets, list)
        or not all(type(offset) is int for offset in offsets)
        or offsets[:1] != [0]
        or offsets[-1] != size
        or any(a > b for a, b in itertools.pairwise(offsets))
    ):
        raise BufferFormatError("the offsets of a mixed buffer don't fit its data")


def _cut(view: memoryview, start: int, size: int) -> memoryview:
    if size > len(view) - start:
        raise BufferFormatError(f"a mixed buffer is cut short: {size} bytes wanted at {start}")
    return view[start : start + size]


def _read_json(text: memoryview) -> Any:
    return json.loads(str(text, "utf8"))


def _fill(form: Any, holes: Any, reader: _Reader) -> Any:
    """Put the arrays into the holes of a dict or list."""
    kind = form.get("type") if isinstance(form, dict) else None
    if kind == "object" and isinstance(holes, dict):
        return _fill_dict(form.get("properties"), holes, reader)
    if kind == "array" and isinstance(holes, list):
        return _fill_list(form, holes, reader)
    raise BufferTypeError("the form of a mixed buffer does not fit its value")


def _fill_dict(properties: Any, holes: dict[str, Any], reader: _Reader) -> dict[str, Any]:
    if not isinstance(properties, dict):
        raise BufferFormatError("a dict in a mixed buffer has no form for its entries")
    keys = [key for key in sorted(properties) if key in holes]
    leaf = None
    if len(keys) >= _MANY:
        leaf = _common_leaf([properties[key] for key in keys], reader)
    if leaf is None:
        forms, parts = map(properties.get, keys), map(holes.get, keys)
        filled = dict(zip(keys, _fill_items(keys, forms, parts, reader), strict=True))
    else:
        filled = dict(zip(keys, reader.take_all(leaf, len(keys)), strict=True))
    if properties.keys() != holes.keys():
        raise BufferFormatError("a dict in a mixed buffer has other keys than its form")
    return {key: filled[key] for key in holes}


def _fill_list(form: dict[str, Any], holes: list[Any], reader: _Reader) -> list[Any]:
    items = form.get("items")
    if form.get("identical") is True:
        forms = [items] * len(holes)
    elif isinstance(items, list):
        forms = items
    else:
        raise BufferFormatError("a list in a mixed buffer has no form for its items")
    if len(forms) != len(holes) or shape_of(form) != (len(holes),):
        raise BufferFormatError("a list in a mixed buffer has another length than its form")
    leaf = _common_leaf(forms, reader) if len(forms) >= _MANY else None
    if leaf is not None:
        return reader.take_all(leaf, len(forms))
    return _fill_items(range(len(forms)), forms, holes, reader)


def _fill_items(
    steps: Sequence[Any], forms: Iterable[Any], holes: Iterable[Any], reader: _Reader
) -> list[Any]:
    """Fill the holes of entries with these keys or indices."""
    filled: list[Any] = []
    try:
        for form, hole in zip(forms, holes, strict=True):
            filled.append(_fill_item(form, hole, reader))
    except BufferFormatError:
        reader.trail.append(steps[len(filled)])
        raise
    return filled


def _common_leaf(forms: list[Any], reader: _Reader) -> Leaf | None:
    """Return what forms say of arrays, if they are one, or one number."""
    first = forms[0]
    if type(first) is int:
        return reader.leaf(first) if forms.count(first) == len(forms) else None
    return reader.leaf(first) if all(form is first for form in forms) else None


def _fill_item(form: Any, hole: Any, reader: _Reader) -> Any:
    leaf = reader.leaf(form)
    if leaf is not None:
        return reader.take(leaf)
    storage = form.get("storage") if isinstance(form, dict) else None
    if storage is None:
        return hole
    if storage == MIXED_PLAIN:
        return _fill(form, hole, reader)
    raise BufferFormatError(f"a mixed buffer has a part with the unknown storage {storage!r}")


def _form_key(form: Any) -> bytes | str:
    """Return a text that only equal forms share."""
    try:
        return orjson.dumps(form)
    except TypeError:  # lone surrogates in the name of a field
        return repr(form)


def _filled(leaf: Leaf, data: memoryview) -> Any:
    """Make an array or record of its own from the bytes of one hole."""
    if leaf.size != len(data):
        raise BufferFormatError(
            f"an array in a mixed buffer takes {leaf.size} bytes and has {len(data)}"
        )
    try:
        array: np.ndarray[Any, Any] = np.ndarray(leaf.shape, leaf.dtype, data).copy()
    except (ValueError, TypeError) as error:
        raise BufferFormatError(f"a mixed buffer has an impossible array: {error}") from None
    return array if leaf.is_array else array[()]
