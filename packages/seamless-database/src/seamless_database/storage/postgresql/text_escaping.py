r"""NUL characters in PostgreSQL texts: psycopg adapters that escape and unescape them.

PostgreSQL has no texts with NUL in them, and SQLite has. `\x00` is stored as `\x01\x01` and `\x01`
as `\x01\x02`, which keeps the order of texts.
"""

from __future__ import annotations

import re
from struct import Struct
from typing import TYPE_CHECKING

from psycopg.adapt import Dumper, Loader
from psycopg.postgres import types
from psycopg.pq import Format
from psycopg.types.array import ListBinaryDumper
from psycopg.types.string import StrBinaryDumper, StrDumperUnknown

if TYPE_CHECKING:
    from psycopg import Connection
    from psycopg.abc import Buffer

_ESCAPES = {"\x00": "\x01\x01", "\x01": "\x01\x02"}
_ORIGINALS = {escape: original for original, escape in _ESCAPES.items()}
_TEXT = types["text"]
#: the binary form of an array: its dimensions, whether it has NULLs, the type of its elements,
#: their number, the index of the first; before each element its bytes
_ARRAY_HEAD, _ELEMENT_SIZE = Struct("!5I"), Struct("!I")
_TO_ESCAPE, _ESCAPED = re.compile("[\x00\x01]"), re.compile("\x01[\x01\x02]")


def escape(text: str) -> str:
    """Return a text as PostgreSQL stores it."""
    if "\x00" in text or "\x01" in text:
        return _TO_ESCAPE.sub(lambda found: _ESCAPES[found[0]], text)
    return text


def unescape(text: str) -> str:
    """Return the text that `escape` has escaped."""
    if "\x01" in text:
        return _ESCAPED.sub(lambda found: _ORIGINALS[found[0]], text)
    return text


class TextArray(list[str]):
    """Texts, at least one, that are sent as one array."""


class _TextDumper(StrDumperUnknown):
    def dump(self, obj: str) -> bytes:
        return escape(obj).encode()


class _BinaryTextDumper(StrBinaryDumper):
    def dump(self, obj: str) -> bytes:
        return escape(obj).encode()


class _TextArrayDumper(Dumper):
    """Dumps texts in one pass; psycopg finds out the type of each element of a list first."""

    format = Format.BINARY
    oid = _TEXT.array_oid

    def dump(self, obj: TextArray) -> bytes:
        parts = [_ARRAY_HEAD.pack(1, 0, _TEXT.oid, len(obj), 1)]
        for text in obj:
            data = escape(text).encode()
            parts += _ELEMENT_SIZE.pack(len(data)), data
        return b"".join(parts)


class _TextLoader(Loader):
    def load(self, data: Buffer) -> str:
        text = str(data, "utf-8")
        # called for each value: the test saves a call
        return unescape(text) if "\x01" in text else text


def register_adapters(connection: Connection[object]) -> None:
    """Escape the texts that a connection sends, and unescape those that it fetches."""
    adapters = connection.adapters
    adapters.register_dumper(str, _BinaryTextDumper)
    # the last one that is registered serves plain parameters
    adapters.register_dumper(str, _TextDumper)
    adapters.register_dumper(TextArray, _TextArrayDumper)
    # the text form of a list takes psycopg several times as long
    adapters.register_dumper(list, ListBinaryDumper)
    adapters.register_loader("text", _TextLoader)
