"""Which reads run on the event loop, and which in a thread."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import sys
import threading
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from database_samples import checksum, record

from seamless_database import Database, request_types
from seamless_database.errors import (
    DatabaseLockedError,
)
from seamless_database.protocol.request import from_python
from seamless_database.storage.sqlite.database import MAX_ROW_BYTES

if TYPE_CHECKING:
    from pathlib import Path

    from seamless_database.request_types.base import ReadRequest
    from seamless_database.request_types.statements import StatementConnection


PUT = {"type": "transformation", "checksum": checksum(1), "value": checksum(2)}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "seamless.db"


@pytest.fixture
def filled(file: Path) -> Path:
    with Database(file, writable=True) as database:
        database.put(PUT)
    return file


# what an event loop may do itself


def get_metadata(number: int) -> ReadRequest:
    body = {"type": "metadata", "checksum": checksum(number)}
    return request_types.parse_read(from_python(body))


def put_record(database: Database, number: int, size: int) -> None:
    tf, result = checksum(number), checksum(-number)
    value = record(tf, result, x="x" * size)
    database.put({"type": "metadata", "checksum": tf, "result": result, "value": value})


class TracedRequest:
    """A read request that records which threads run it."""

    def __init__(self, request: ReadRequest) -> None:
        self._request = request
        self.is_point_lookup = request.is_point_lookup
        self.threads: list[int] = []

    def run(self, connection: StatementConnection) -> str | None:
        self.threads.append(threading.get_ident())
        return self._request.run(connection)


def execute(database: Database, request: ReadRequest) -> tuple[str | None, bool]:
    """Return the response to a request, and whether the event loop itself has read it."""
    traced: Any = TracedRequest(request)
    response = asyncio.run(database.execute_read(traced))
    return response, traced.threads[-1] == threading.get_ident()


def test_the_event_loop_reads_a_small_row(file: Path) -> None:
    with Database(file, writable=True) as database:
        assert execute(database, get_metadata(1)) == (None, True)
        put_record(database, 1, 1000)
        stored = database.get({"type": "metadata", "checksum": checksum(1)})
        assert stored is not None
        assert execute(database, get_metadata(1)) == (stored, True)


@pytest.mark.skipif(sys.version_info < (3, 11), reason="SQLite's limits are not offered there")
def test_a_thread_reads_a_large_row(file: Path) -> None:
    with Database(file, writable=True) as database:
        put_record(database, 1, MAX_ROW_BYTES)
        response, by_event_loop = execute(database, get_metadata(1))
        assert response is not None
        assert json.loads(response)["x"] == "x" * MAX_ROW_BYTES
        assert not by_event_loop


def test_a_thread_reads_a_list(filled: Path) -> None:
    body = {"type": "rev_transformations", "checksum": checksum(2)}
    with Database(filled) as database:
        request = request_types.parse_read(from_python(body))
        assert execute(database, request) == (f'["{checksum(1)}"]', False)


def test_a_thread_waits_for_a_locked_file(filled: Path) -> None:
    traced: Any = TracedRequest(get_metadata(1))
    with (
        closing(sqlite3.connect(filled, isolation_level=None)) as other,
        Database(filled, lock_wait=0.1) as database,
    ):
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(DatabaseLockedError):
            asyncio.run(database.execute_read(traced))
    assert traced.threads
    assert threading.get_ident() not in traced.threads
