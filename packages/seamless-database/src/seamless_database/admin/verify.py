"""Verify a copy: fingerprints that show whether two databases hold the same rows.

A fingerprint is the number of rows of a table and a SHA-256 of them. It does not show whether the
rows are correct; `checks.py` decides that.

The rows are read in the order of their key, by bytes, and each is hashed as a line of JSON. So
equal rows have the same fingerprint in every database.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import func, select

from seamless_database.admin.access.rows import in_chunks, stream, table_label
from seamless_database.admin.copy_tables import in_key_order

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import Connection, Table

    from seamless_database.admin.access.rows import Row
    from seamless_database.admin.console import ProgressBars

_encode = json.JSONEncoder(ensure_ascii=True, separators=(",", ":")).encode


@dataclass(frozen=True)
class Fingerprint:
    """The number of rows of a table, and the SHA-256 of the rows."""

    rows: int
    sha256: str


def fingerprints(
    connection: Connection, tables: Iterable[Table], progress: ProgressBars
) -> dict[str, Fingerprint]:
    """Read all rows of some tables."""
    return {table.name: _fingerprint(connection, table, progress) for table in tables}


def _fingerprint(connection: Connection, table: Table, progress: ProgressBars) -> Fingerprint:
    digest, count = hashlib.sha256(), 0
    with progress.task(f"Verifying {table_label(table)}") as report:
        total = connection.scalar(select(func.count()).select_from(table)) or 0
        for chunk in in_chunks(stream(connection, in_key_order(table))):
            digest.update(_lines(chunk))
            count += len(chunk)
            report(count, total)
    return Fingerprint(count, digest.hexdigest())


def _lines(rows: list[Row]) -> bytes:
    return "".join([f"{_encode(row)}\n" for row in rows]).encode()
