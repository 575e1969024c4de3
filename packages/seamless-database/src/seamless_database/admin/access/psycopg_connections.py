"""Connections of psycopg on which texts are written and read as the service does it.

PostgreSQL has no texts with NUL in them; the service writes these in another way, which the
administration, statements and bulk copies alike, gets to see as little as its clients do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.adapt import Loader
from psycopg.types.string import StrDumperUnknown

from seamless_database.admin.interruption import INTERRUPTION
from seamless_database.storage.postgresql.dialect import loaded, stored

if TYPE_CHECKING:
    from psycopg.abc import Buffer

    from seamless_database.storage.postgresql.url import PostgresUrl

_MARK = "\x01"


class _Writer(StrDumperUnknown):
    def dump(self, obj: str) -> bytes:
        return stored(obj).encode()


class _Reader(Loader):
    def load(self, data: Buffer) -> str:
        text = str(data, "utf-8")
        return text if _MARK not in text else str(loaded((text,))[0])


def connect(address: PostgresUrl) -> psycopg.Connection[Any]:
    """Connect; raises `psycopg.Error`."""
    with INTERRUPTION.deferred(defer=False):
        raw = psycopg.connect(
            prepare_threshold=address.prepare_threshold,
            **address.parameters,  # type: ignore[arg-type]  # names from the URL
        )
    INTERRUPTION.cancel_with_it(raw)
    raw.adapters.register_dumper(str, _Writer)
    raw.adapters.register_loader("text", _Reader)
    return raw
