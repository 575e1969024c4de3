"""Whether tables of two databases hold the same rows: their number, and a checksum of them.

The rows are taken in the order of their key, byte by byte, which is the same everywhere, and each
is written as a line of JSON. So the checksum is that of a text that does not depend on where the
rows are.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import func, select

from seamless_database.admin.access.bulk import pieces
from seamless_database.admin.access.rows import stream
from seamless_database.admin.resume import in_key_order

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import Connection, Table

    from seamless_database.admin.access.bulk import Row
    from seamless_database.admin.progress import ProgressBars

_write = json.JSONEncoder(ensure_ascii=True, separators=(",", ":")).encode


@dataclass(frozen=True)
class Fingerprint:
    """The number of rows of a table, and the SHA-256 of the rows."""

    rows: int
    sha256: str


def fingerprints(
    connection: Connection, tables: Iterable[Table], doing: ProgressBars
) -> dict[str, Fingerprint]:
    """Read all rows of some tables."""
    return {table.name: _fingerprint(connection, table, doing) for table in tables}


def _fingerprint(connection: Connection, table: Table, doing: ProgressBars) -> Fingerprint:
    digest, count = hashlib.sha256(), 0
    with doing.one(f"Verifying {table.name.replace('_', ' ')}") as progress:
        total = connection.scalar(select(func.count()).select_from(table)) or 0
        for piece in pieces(stream(connection, in_key_order(table))):
            digest.update(_lines(piece))
            count += len(piece)
            progress(count, total)
    return Fingerprint(count, digest.hexdigest())


def _lines(rows: list[Row]) -> bytes:
    return "".join([f"{_write(row)}\n" for row in rows]).encode()
