"""`plain`: any JSON value, in the canonical form and a final newline."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from seamless.checksum.celltypes.codec import Codec
from seamless.checksum.json_ import (
    CHUNK_ENTRIES,
    CHUNKED_TYPES,
    dumps_chunked,
    exact_writer,
    json_line,
    json_loads,
)
from seamless.checksum.utf8_text import decode_text
from seamless.util._unchecksum import unchecksum

#: the methods with which dicts and lists show what they store
_ITEMS = (dict.items, OrderedDict.items)
_ITERATORS = (list.__iter__, tuple.__iter__)


def to_bytes(value: Any) -> bytes:
    """Write a JSON value; tuples become lists and checksums their text, at any depth.

    A dict or list of a class of its own is written as it shows itself, not as it is stored.
    """
    dumps, options = exact_writer()
    try:
        if type(value) in CHUNKED_TYPES and len(value) > CHUNK_ENTRIES:
            return dumps_chunked(value, lambda part: dumps(part, _stored, options))
        return dumps(value, _stored, options) + b"\n"
    except TypeError:
        # perhaps it holds checksums, or shows itself otherwise: rare enough to look twice
        return json_line(unchecksum(value))


def _stored(value: Any) -> Any:
    """Return what an instance of a subclass stores, if it shows the same.

    Raises
    ------
    TypeError
        For other values.
    """
    kind = type(value)
    if isinstance(value, dict) and kind.items in _ITEMS:
        return dict(kind.items(value))
    if isinstance(value, (list, tuple)) and kind.__iter__ in _ITERATORS:
        return list(value)
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        return int.__add__(value, 0)
    raise TypeError


def from_bytes(content: bytes) -> Any:
    """Read a JSON value."""
    try:
        return json_loads(content)
    except ValueError:
        decode_text(content)  # which says more of what is no UTF-8
        raise


PLAIN = Codec(to_bytes, from_bytes, from_bytes, to_bytes)
