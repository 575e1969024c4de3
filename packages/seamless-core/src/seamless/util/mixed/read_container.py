"""Reads a mixed container; every size and offset is validated before it is used.

The bytes may be damaged or malicious: every defect raises a `BufferFormatError`. The template is
the value with 0 in place of each array.
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
    MAGIC_SEAMLESS,
)
from seamless.util.mixed.get_form import MIXED_PLAIN, PURE_BINARY, PURE_PLAIN
from seamless.util.mixed.npy import read_npy
from seamless.util.mixed.read_form import (
    ArraySpec,
    checked_slice,
    read_form,
    read_head,
    read_spec,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_MIN_BATCH = 8  # fewer arrays are created one by one

#: numbers of axes of arrays that can be rows of one array: a row without axes would be a scalar,
#: and NumPy allows 32 axes
_AXES = range(1, 31)


@dataclass
class _Reader:
    """Returns the arrays of one container in the order in which they were written."""

    data: memoryview
    offsets: list[int]
    #: specs by the number that replaces their form, or by the text of their form
    specs: dict[Any, ArraySpec]
    next: int = 0
    #: specs by the id() of their form; the forms live until the container is read
    known: dict[int, ArraySpec] = field(default_factory=dict)
    #: the keys and indices of a damaged part, innermost first
    path: list[Any] = field(default_factory=list)

    def spec(self, form: Any) -> ArraySpec | None:
        """Return the spec of an array's form; None for the form of another value."""
        if type(form) is int:
            return self.specs.get(form)
        if not isinstance(form, dict) or form.get("storage") != PURE_BINARY:
            return None
        spec = self.known.get(id(form))
        if spec is None:
            text = _form_key(form)
            spec = self.specs.get(text) or read_spec(form)
            self.known[id(form)] = self.specs[text] = spec
        return spec

    def read_next(self, spec: ArraySpec) -> Any:
        """Return a copy of the next array."""
        if self.next + 1 >= len(self.offsets):
            raise BufferFormatError("a mixed buffer has more arrays in its form than in its data")
        start, end = self.offsets[self.next : self.next + 2]
        self.next += 1
        return _make_array(spec, self.data[start:end])

    def read_many(self, spec: ArraySpec, count: int) -> list[Any]:
        """Return copies of the next arrays, which have the same spec.

        Adjacent arrays are read as rows of one array, in a third of the time.
        """
        begin, end = self.offsets[self.next], self.next + count
        rows = range(begin, begin + count * spec.size + 1, spec.size or 1)
        fit = spec.size and self.offsets[self.next : end + 1] == list(rows)
        if not fit or len(spec.shape) not in _AXES:
            return [self.read_next(spec) for _ in range(count)]
        self.next = end
        block: Any = np.ndarray((count, *spec.shape), spec.dtype, self.data, begin)
        return [row.copy() for row in block]


def read_container(content: bytes | memoryview) -> Any:
    """Read a mixed container; its arrays are writable copies.

    Raises
    ------
    BufferFormatError
        When the content is damaged.
    """
    view = memoryview(content)
    storage, form_text, start = read_head(view)
    form, specs = read_form(form_text)
    if storage == PURE_BINARY:
        return read_npy(view[start:])
    if storage == PURE_PLAIN:
        return _read_json(view[start:])
    if storage != MIXED_PLAIN:
        raise BufferFormatError(f"a mixed buffer has the unknown storage {storage!r}")
    data, offsets, template = _read_data(view[start:])
    reader = _Reader(data, offsets, specs)
    try:
        value = _fill(form, template, reader)
    except BufferFormatError as error:
        if reader.path:
            raise type(error)(f"{value_path(reader.path[::-1])}: {error}") from None
        raise
    if reader.next + 1 != len(reader.offsets):
        raise BufferFormatError("a mixed buffer has more arrays in its data than in its form")
    return value


def _read_data(view: memoryview) -> tuple[memoryview, list[int], Any]:
    """Return the data of the arrays, their offsets, and the template."""
    position = len(MAGIC_SEAMLESS)
    if view[:position] != MAGIC_SEAMLESS:
        raise BufferFormatError("a mixed buffer has no data part where its form ends")
    text_size, data_size = DATA_SIZES.unpack(checked_slice(view, position, DATA_SIZES.size))
    position += DATA_SIZES.size
    text = _read_json(checked_slice(view, position, text_size))
    data = checked_slice(view, position + text_size, data_size)
    if len(view) > position + text_size + data_size:
        raise BufferFormatError("a mixed buffer has bytes after its data")
    if not isinstance(text, list) or len(text) != 2:
        raise BufferFormatError("the data part of a mixed buffer is not a list of two items")
    offsets, template = text
    _check_offsets(offsets, data_size)
    return data, offsets, template


def _check_offsets(offsets: Any, size: int) -> None:
    if (
        not isinstance(offsets, list)
        or not all(type(offset) is int for offset in offsets)
        or offsets[:1] != [0]
        or offsets[-1] != size
        or any(a > b for a, b in itertools.pairwise(offsets))
    ):
        raise BufferFormatError("the offsets of a mixed buffer don't fit its data")


def _read_json(text: memoryview) -> Any:
    return json.loads(str(text, "utf8"))


def _fill(form: Any, template: Any, reader: _Reader) -> Any:
    """Return the dict or list of a template with its arrays."""
    kind = form.get("type") if isinstance(form, dict) else None
    if kind == "object" and isinstance(template, dict):
        return _fill_dict(form.get("properties"), template, reader)
    if kind == "array" and isinstance(template, list):
        return _fill_list(form, template, reader)
    raise BufferTypeError("the form of a mixed buffer does not fit its value")


def _fill_dict(properties: Any, template: dict[str, Any], reader: _Reader) -> dict[str, Any]:
    if not isinstance(properties, dict):
        raise BufferFormatError("a dict in a mixed buffer has no form for its entries")
    keys = [key for key in sorted(properties) if key in template]
    spec = None
    if len(keys) >= _MIN_BATCH:
        spec = _common_spec([properties[key] for key in keys], reader)
    if spec is None:
        forms, parts = map(properties.get, keys), map(template.get, keys)
        filled = dict(zip(keys, _fill_items(keys, forms, parts, reader), strict=True))
    else:
        filled = dict(zip(keys, reader.read_many(spec, len(keys)), strict=True))
    if properties.keys() != template.keys():
        raise BufferFormatError("a dict in a mixed buffer has other keys than its form")
    return {key: filled[key] for key in template}


def _fill_list(form: dict[str, Any], template: list[Any], reader: _Reader) -> list[Any]:
    items = form.get("items")
    if form.get("identical") is True:
        forms = [items] * len(template)
    elif isinstance(items, list):
        forms = items
    else:
        raise BufferFormatError("a list in a mixed buffer has no form for its items")
    if len(forms) != len(template) or shape_of(form) != (len(template),):
        raise BufferFormatError("a list in a mixed buffer has another length than its form")
    spec = _common_spec(forms, reader) if len(forms) >= _MIN_BATCH else None
    if spec is not None:
        return reader.read_many(spec, len(forms))
    return _fill_items(range(len(forms)), forms, template, reader)


def _fill_items(
    steps: Sequence[Any], forms: Iterable[Any], template: Iterable[Any], reader: _Reader
) -> list[Any]:
    """Return the values of entries; `steps` are their keys or indices."""
    filled: list[Any] = []
    try:
        for form, part in zip(forms, template, strict=True):
            filled.append(_fill_item(form, part, reader))
    except BufferFormatError:
        reader.path.append(steps[len(filled)])
        raise
    return filled


def _common_spec(forms: list[Any], reader: _Reader) -> ArraySpec | None:
    """Return the spec of several forms if they are the same object or number, else None."""
    first = forms[0]
    if type(first) is int:
        return reader.spec(first) if forms.count(first) == len(forms) else None
    return reader.spec(first) if all(form is first for form in forms) else None


def _fill_item(form: Any, part: Any, reader: _Reader) -> Any:
    spec = reader.spec(form)
    if spec is not None:
        return reader.read_next(spec)
    storage = form.get("storage") if isinstance(form, dict) else None
    if storage is None:
        return part
    if storage == MIXED_PLAIN:
        return _fill(form, part, reader)
    raise BufferFormatError(f"a mixed buffer has a part with the unknown storage {storage!r}")


def _form_key(form: Any) -> bytes | str:
    """Return a text that is the same only for equal forms."""
    try:
        return orjson.dumps(form)
    except TypeError:  # the name of a field has lone surrogates
        return repr(form)


def _make_array(spec: ArraySpec, data: memoryview) -> Any:
    """Return an array or record with a copy of its data."""
    if spec.size != len(data):
        raise BufferFormatError(
            f"an array in a mixed buffer takes {spec.size} bytes and has {len(data)}"
        )
    try:
        array: np.ndarray[Any, Any] = np.ndarray(spec.shape, spec.dtype, data).copy()
    except (ValueError, TypeError) as error:
        raise BufferFormatError(f"a mixed buffer has an impossible array: {error}") from None
    return array if spec.is_array else array[()]
