from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import psycopg
import pytest
from database_places import Place, fresh_place
from database_samples import checksum

from seamless_database.errors import SchemaError, ServerError
from seamless_database.postgresql.address import Address
from seamless_database.postgresql.database import PostgresDatabase
from seamless_database.postgresql.schema import VERSION, VERSION_TABLE
from seamless_database.postgresql.writing import EVERYTHING
from seamless_database.protocol import from_python
from seamless_database.records import reading
from seamless_database.records.version import ANSWER
from seamless_database.schema import TABLES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from seamless_database.backend import Backend

GET = {"type": "transformation", "checksum": checksum(1)}
PUT = {**GET, "value": checksum(2)}


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with fresh_place("postgresql", tmp_path) as place:
        yield place


def names(place: Place) -> set[str]:
    rows = place.rows("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    return {name for (name,) in rows}


def test_the_first_writable_start_creates_the_tables_and_notes_their_version(place: Place) -> None:
    place.open().close()
    assert names(place) == {*TABLES, VERSION_TABLE}
    assert place.rows(f"SELECT version FROM {VERSION_TABLE}") == [(VERSION,)]


def test_reading_an_empty_database_creates_nothing_and_finds_nothing(place: Place) -> None:
    with place.open(writable=False) as reader:
        assert reader.get(GET) is None
        assert reader.get({"type": "rev_transformations", "checksum": checksum(2)}) is None
        assert names(place) == set()
        with place.open() as writer:
            writer.put(PUT)
            assert reader.get(GET) == checksum(2)


def test_what_needs_no_table_is_answered_next_to_what_does(place: Place) -> None:
    async def talk(reader: Backend) -> list[str | None]:
        asked = [{"type": "protocol"}, GET] * 20
        requests = [reading(from_python(request)) for request in asked]
        return list(await asyncio.gather(*map(reader.answer, requests)))

    with place.open(writable=False) as reader:
        assert asyncio.run(talk(reader)) == [ANSWER, None] * 20


def test_several_that_start_at_once_create_the_tables_once(place: Place) -> None:
    start = threading.Barrier(6)

    def begin(_number: int) -> None:
        start.wait(30)
        place.open().close()

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(begin, range(6)))
    assert place.rows(f"SELECT version FROM {VERSION_TABLE}") == [(VERSION,)]


@pytest.mark.parametrize("writable", [True, False])
def test_a_newer_schema_is_refused(place: Place, writable: bool) -> None:
    place.open().close()
    place.change(f"UPDATE {VERSION_TABLE} SET version = {VERSION + 1}")
    with pytest.raises(SchemaError, match=rf"version {VERSION + 1}.*knows version {VERSION}"):
        place.open(writable=writable)


@pytest.mark.parametrize("writable", [True, False])
def test_tables_of_somebody_else_are_refused_and_left_alone(place: Place, writable: bool) -> None:
    place.change("CREATE TABLE transformation (x integer)")
    with pytest.raises(SchemaError, match=r"somebody else \(transformation\)"):
        place.open(writable=writable)
    assert names(place) == {"transformation"}


def test_tables_of_somebody_else_beside_ours_are_no_matter(place: Place) -> None:
    place.change("CREATE TABLE something_else (x integer)")
    with place.open() as database:
        database.put(PUT)


def test_a_table_that_has_gone_is_named(place: Place) -> None:
    place.open().close()
    place.change("DROP TABLE expression")
    with pytest.raises(SchemaError, match="expression"):
        place.open()


def test_a_version_table_without_a_version_is_refused(place: Place) -> None:
    place.open().close()
    place.change(f"DELETE FROM {VERSION_TABLE}")
    with pytest.raises(SchemaError, match="no row"):
        place.open()


def test_a_lock_on_everything_is_waited_for_and_then_reported(place: Place) -> None:
    url = place.target.replace("+psycopg", "")
    with psycopg.connect(url) as holder:
        holder.execute("SELECT pg_advisory_xact_lock(%s)", [EVERYTHING])
        with pytest.raises(ServerError, match="lock timeout"):
            PostgresDatabase(Address.of(place.target), writable=True, lock_wait=0.1)
    assert names(place) == set()


def test_a_database_that_can_only_be_read_is_not_opened_for_writing(place: Place) -> None:
    with place.open() as writer:
        writer.put(PUT)
    sign = "&" if "?" in place.target else "?"
    standby = Place(f"{place.target}{sign}options=-cdefault_transaction_read_only%3Don")
    with pytest.raises(ServerError, match="leave out --writable"):
        standby.open()
    with standby.open(writable=False) as reader:
        assert reader.get(GET) == checksum(2)
        assert reader.trouble is None
