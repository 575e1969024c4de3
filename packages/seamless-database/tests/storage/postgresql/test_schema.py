from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from typing import TYPE_CHECKING

import psycopg
import pytest
from database_samples import checksum
from database_targets import DatabaseUnderTest, fresh_place

from seamless_database.errors import SchemaError, ServerError
from seamless_database.protocol.request import from_python
from seamless_database.request_types import parse_read
from seamless_database.request_types.version import RESPONSE
from seamless_database.storage.postgresql.advisory_locks import GLOBAL_LOCK
from seamless_database.storage.postgresql.database import PostgresDatabase
from seamless_database.storage.postgresql.schema import VERSION, VERSION_TABLE
from seamless_database.storage.postgresql.url import PostgresUrl
from seamless_database.tables import TABLES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from seamless_database.storage.backend import Backend

GET = {"type": "transformation", "checksum": checksum(1)}
PUT = {**GET, "value": checksum(2)}


@pytest.fixture
def place(tmp_path: Path) -> Iterator[DatabaseUnderTest]:
    with fresh_place("postgresql", tmp_path) as place:
        yield place


def names(place: DatabaseUnderTest) -> set[str]:
    rows = place.rows("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    return {name for (name,) in rows}


def test_the_first_writable_start_creates_the_tables_and_their_version(
    place: DatabaseUnderTest,
) -> None:
    place.open().close()
    assert names(place) == {*TABLES, VERSION_TABLE}
    assert place.rows(f"SELECT version FROM {VERSION_TABLE}") == [(VERSION,)]


def test_reading_an_empty_database_creates_nothing_and_finds_nothing(
    place: DatabaseUnderTest,
) -> None:
    with place.open(writable=False) as reader:
        assert reader.get(GET) is None
        assert reader.get({"type": "rev_transformations", "checksum": checksum(2)}) is None
        assert names(place) == set()
        with place.open() as writer:
            writer.put(PUT)
            assert reader.get(GET) == checksum(2)


def test_a_request_without_a_table_is_answered_in_a_batch_with_others(
    place: DatabaseUnderTest,
) -> None:
    async def talk(reader: Backend) -> list[str | None]:
        asked = [{"type": "protocol"}, GET] * 20
        requests = [parse_read(from_python(request)) for request in asked]
        return list(await asyncio.gather(*map(reader.execute_read, requests)))

    with place.open(writable=False) as reader:
        assert asyncio.run(talk(reader)) == [RESPONSE, None] * 20


def test_servers_that_start_at_once_create_the_tables_once(place: DatabaseUnderTest) -> None:
    start = threading.Barrier(6)

    def begin(_lock_id: int) -> None:
        start.wait(30)
        place.open().close()

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(begin, range(6)))
    assert place.rows(f"SELECT version FROM {VERSION_TABLE}") == [(VERSION,)]


@pytest.mark.parametrize("writable", [True, False])
def test_a_newer_schema_is_rejected(place: DatabaseUnderTest, writable: bool) -> None:
    place.open().close()
    place.change(f"UPDATE {VERSION_TABLE} SET version = {VERSION + 1}")
    with pytest.raises(SchemaError, match=rf"version {VERSION + 1}.*knows version {VERSION}"):
        place.open(writable=writable)


@pytest.mark.parametrize("writable", [True, False])
def test_tables_of_another_application_are_rejected_and_not_changed(
    place: DatabaseUnderTest, writable: bool
) -> None:
    place.change("CREATE TABLE transformation (x integer)")
    with pytest.raises(SchemaError, match=r"another application \(transformation\)"):
        place.open(writable=writable)
    assert names(place) == {"transformation"}


def test_version_1_is_read_unchanged_and_upgraded_by_a_writer(place: DatabaseUnderTest) -> None:
    probe = {"type": "bucket_probe", "bucket_kind": "node", "label": "n"}
    captured = {"bucket_checksum": checksum(1), "captured_at": "t", "freshness_tokens": {}}
    with place.open() as database:
        database.put({**probe, **captured})
        created = keys(place)
    for table, columns in (
        ("bucket_probe", "bucket_kind, hashtextextended(label, 0)"),
        (
            "syntactic_to_semantic",
            "syntactic, semantic, hashtextextended(celltype, 0), hashtextextended(subcelltype, 0)",
        ),
    ):
        place.change(
            f"DROP INDEX {table}_key", f"CREATE UNIQUE INDEX {table}_key ON {table} ({columns})"
        )
    place.change(f"UPDATE {VERSION_TABLE} SET version = 1")
    with place.open(writable=False) as reader:
        assert reader.get(probe) is not None
    assert keys(place) != created
    with place.open() as database:
        assert database.get(probe) is not None
    assert keys(place) == created
    assert place.rows(f"SELECT version FROM {VERSION_TABLE}") == [(VERSION,)]


def test_a_table_that_an_older_version_lacks_is_empty_until_a_writer_creates_it(
    place: DatabaseUnderTest,
) -> None:
    get = {"type": "bucket_probe", "bucket_kind": "node", "label": "n"}
    place.open().close()
    place.change("DROP TABLE bucket_probe", f"UPDATE {VERSION_TABLE} SET version = {VERSION - 1}")
    with place.open(writable=False) as reader:
        assert reader.get(get) is None
    with place.open() as database:
        database.put(
            {**get, "bucket_checksum": checksum(1), "captured_at": "t", "freshness_tokens": {}}
        )
    assert names(place) == {*TABLES, VERSION_TABLE}
    assert place.rows(f"SELECT version FROM {VERSION_TABLE}") == [(VERSION,)]


def test_unique_keys_are_made_of_sha_256(place: DatabaseUnderTest) -> None:
    place.open().close()
    texts = ["", "a", "\\", "\\x41", "\\\\", "\\101", "é€😀", "x" * 20_000, "\x01\x02"]
    for text in texts:
        place.insert("bucket_probe", "node", text, checksum(1), "t", "{}")
    ((_, definition),) = [row for row in keys(place) if row[0] == "bucket_probe_key"]
    expression = definition[definition.index("sha256(") : definition.rindex(")")]
    rows = place.rows(
        f"SELECT label, encode({expression}, 'hex') FROM bucket_probe".replace("%", "%%")
    )
    assert dict(rows) == {text: sha256(text.encode()).hexdigest() for text in texts}


def keys(place: DatabaseUnderTest) -> list[tuple[str, str]]:
    sql = "SELECT indexname, indexdef FROM pg_indexes WHERE indexname ~ '_key$' ORDER BY 1"
    return [(name, definition) for name, definition in place.rows(sql)]


def test_other_tables_in_the_database_do_not_matter(place: DatabaseUnderTest) -> None:
    place.change("CREATE TABLE something_else (x integer)")
    with place.open() as database:
        database.put(PUT)


def test_a_missing_table_is_named(place: DatabaseUnderTest) -> None:
    place.open().close()
    place.change("DROP TABLE expression")
    with pytest.raises(SchemaError, match="expression"):
        place.open()


@pytest.mark.parametrize(
    ("command", "found"),
    [
        (f"DELETE FROM {VERSION_TABLE}", "no row"),
        (f"INSERT INTO {VERSION_TABLE} VALUES ({VERSION})", rf"\[{VERSION}, {VERSION}\]"),
        (f"UPDATE {VERSION_TABLE} SET version = 0", r"\[0\]"),
    ],
)
def test_a_version_table_without_one_version_is_rejected(
    place: DatabaseUnderTest, command: str, found: str
) -> None:
    place.open().close()
    place.change(command)
    with pytest.raises(SchemaError, match=found):
        place.open()


def test_the_global_lock_fails_the_creation_after_the_timeout(place: DatabaseUnderTest) -> None:
    url = place.target.replace("+psycopg", "")
    with psycopg.connect(url) as holder:
        holder.execute("SELECT pg_advisory_xact_lock(%s)", [GLOBAL_LOCK])
        with pytest.raises(ServerError, match="lock timeout"):
            PostgresDatabase(PostgresUrl.of(place.target), writable=True, lock_wait=0.1)
    assert names(place) == set()


def test_a_read_only_database_is_not_opened_for_writing(place: DatabaseUnderTest) -> None:
    with place.open() as writer:
        writer.put(PUT)
    sign = "&" if "?" in place.target else "?"
    standby = DatabaseUnderTest(f"{place.target}{sign}options=-cdefault_transaction_read_only%3Don")
    with pytest.raises(ServerError, match="leave out --writable"):
        standby.open()
    with standby.open(writable=False) as reader:
        assert reader.get(GET) == checksum(2)
        assert reader.degraded_reason is None
