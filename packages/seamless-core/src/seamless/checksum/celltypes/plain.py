"""Codec of `plain`: any JSON value, as canonical JSON with a final newline."""

from __future__ import annotations

from typing import Any

import orjson

from seamless.checksum.celltypes.codec import Codec
from seamless.checksum.json_ import (
    CHUNK_ENTRIES,
    CHUNKED_TYPES,
    OPTIONS,
    check_release,
    dumps_chunked,
    json_line,
    json_loads,
)
from seamless.checksum.utf8_text import decode_text
from seamless.util._unchecksum import unchecksum

check_release()

#: with these options, orjson calls its default function for each instance of a subclass of `str`,
#: `int`, `list` or `dict`, instead of writing it as an instance of the built-in type
_OPTIONS = OPTIONS | orjson.OPT_PASSTHROUGH_SUBCLASS


def to_bytes(value: Any) -> bytes:
    """Write a JSON value; tuples become lists and checksums their text, at any depth.

    An instance of a subclass of dict or list is written with the entries that its methods return.
    """
    try:
        if type(value) in CHUNKED_TYPES and len(value) > CHUNK_ENTRIES:  # is_long() without a call
            return dumps_chunked(value, lambda chunk: orjson.dumps(chunk, _to_builtin, _OPTIONS))
        return orjson.dumps(value, _to_builtin, _OPTIONS) + b"\n"
    except TypeError:
        # The value may contain checksums, which is rare.
        return json_line(unchecksum(value))


def _to_builtin(value: Any) -> Any:
    """Convert an instance of a subclass to its built-in type, with the entries that it shows.

    Raises
    ------
    TypeError
        For other values.
    """
    if isinstance(value, dict):
        return dict(value.items())
    if isinstance(value, (list, tuple)):
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
        decode_text(content)  # its error says what the bytes are if they are not UTF-8
        raise


PLAIN = Codec(to_bytes=to_bytes, from_bytes=from_bytes, check=from_bytes, probe=to_bytes)
