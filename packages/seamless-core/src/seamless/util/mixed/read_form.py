"""Reads the head of a mixed container: its storage and its form.

Ten thousand arrays usually have the same form. Its text is replaced by a number before the form
of the container is parsed, so that it is parsed and validated once.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson

from seamless.errors import BufferFormatError
from seamless.util.mixed.form_dtype import form_dtype, shape_of
from seamless.util.mixed.format import FORM_SIZE, MAGIC_SEAMLESS_MIXED
from seamless.util.mixed.get_form import PURE_BINARY

_MIN_TEXT_BYTES = 1000
_MAX_NUMBERS = 10**6  # so that each number fits into 64 bits

#: the form of an array of plain numbers or bytes, as it is written
_ARRAY_FORM = re.compile(
    rb'\{"type": "array", "items": \{"type": "[a-z]+", "bytesize": \d+(?:, "unsigned": [a-z]+)?\},'
    rb' "identical": true, "shape": \[[\d, ]*\], "contiguous": [a-z]+'
    rb'(?:, "strides": \[[-\d, ]*\])?, "storage": "pure-binary"\}'
)


@dataclass(frozen=True)
class ArraySpec:
    """Dtype, shape and size of an array or record, as described by its form."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    size: int  # bytes
    is_array: bool


def read_spec(form: Any) -> ArraySpec:
    """Validate the form of an array or record and return its `ArraySpec`.

    Raises
    ------
    BufferFormatError
        When the form is damaged, or describes another value.
    """
    is_array = form.get("type") == "array"
    dtype = form_dtype(form.get("items") if is_array else form)
    if not is_array and dtype.names is None:
        raise BufferFormatError("a mixed buffer has binary data for a value that is not an array")
    shape = shape_of(form) if is_array else ()
    if dtype.itemsize == 0:
        if math.prod(shape) > 0:  # the size of the data does not limit the number of such items
            raise BufferFormatError("a mixed buffer has an array whose items have no bytes")
        dtype = np.dtype("S1") if dtype.kind == "S" else dtype  # has always been read so
    return ArraySpec(dtype, shape, math.prod(shape) * dtype.itemsize, is_array)


def read_head(view: memoryview) -> tuple[str, bytes, int]:
    """Return the storage, the text of the form, and the offset of the data part."""
    position = len(MAGIC_SEAMLESS_MIXED)
    size = checked_slice(view, position, 1)[0]
    storage = str(checked_slice(view, position + 1, size), "utf8")
    position += 1 + size
    (size,) = FORM_SIZE.unpack(checked_slice(view, position, FORM_SIZE.size))
    position += FORM_SIZE.size
    return storage, bytes(checked_slice(view, position, size)), position + size


def checked_slice(view: memoryview, start: int, size: int) -> memoryview:
    """Return a slice of this size.

    Raises
    ------
    BufferFormatError
        When the content is too short.
    """
    if size > len(view) - start:
        raise BufferFormatError(f"a mixed buffer is truncated: {size} bytes wanted at {start}")
    return view[start : start + size]


def read_form(text: bytes) -> tuple[Any, dict[Any, ArraySpec]]:
    """Parse a form; return it with numbers in place of forms of arrays, and their meaning.

    The form of 10,000 arrays takes 5 ms; parsing each of them would take 9 ms and validating
    each 20 ms.

    Raises
    ------
    ValueError
        When the text is not JSON, or the form of an array is invalid.
    """
    numbers: dict[bytes, bytes] = {}
    digits = _unused_digits(text) if len(text) >= _MIN_TEXT_BYTES else None
    found = _ARRAY_FORM.search(text) if digits else None
    if found and digits:
        numbers[found[0]] = digits + b"0"
        text = text.replace(found[0], digits + b"0")  # usually all of them, in half the time

        def numbered(found: re.Match[bytes]) -> bytes:
            form = found[0]
            if form not in numbers and len(numbers) < _MAX_NUMBERS:
                numbers[form] = b"%b%d" % (digits, len(numbers))
            return numbers.get(form, form)

        text = _ARRAY_FORM.sub(numbered, text)
    specs = {int(number): read_spec(orjson.loads(form)) for form, number in numbers.items()}
    return _parse(text), specs


def _unused_digits(text: bytes) -> bytes | None:
    """Return digits that do not occur in a text, or None after ten attempts."""
    candidates = (b"%d" % number for number in range(10**12, 10**12 + 10))
    return next((digits for digits in candidates if digits not in text), None)


def _parse(text: bytes) -> Any:
    """Read JSON with orjson, which is twice as fast as Python's `json`.

    The two differ in integers beyond 64 bits, which no written form has and which are refused
    because orjson reads them as floats; and in lone surrogates, for which `json` is used.
    """
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return json.loads(str(text, "utf8"))


def first_array_path(content: bytes) -> list[Any] | None:
    """Return the keys and indices of the first array of a mixed container.

    Returns None if the container is damaged or has no array.
    """
    try:
        form = json.loads(read_head(memoryview(content))[1])
    except (ValueError, RecursionError):
        return None
    pending: list[tuple[list[Any], Any]] = [([], form)]
    while pending:
        path, form = pending.pop()
        if not isinstance(form, dict):
            continue
        if form.get("storage") == PURE_BINARY:
            return path
        pending += reversed([([*path, key], item) for key, item in _entries(form)])
    return None


def _entries(form: dict[str, Any]) -> list[tuple[Any, Any]]:
    properties, items = form.get("properties"), form.get("items")
    if isinstance(properties, dict):
        return list(properties.items())
    if isinstance(items, list):
        return list(enumerate(items))
    return [(0, items)]  # all items have the same form
