"""A database whose table of locks is smaller than what a bulk write locks."""

from __future__ import annotations

import json

import psycopg
from database_samples import checksum
from postgres_process import own_server

from seamless_database.protocol.request import MAX_ENTRIES
from seamless_database.storage.open import open_database


def test_a_bulk_write_needs_no_more_locks_than_the_database_has() -> None:
    value = {checksum(number): checksum(-number) for number in range(MAX_ENTRIES)}
    with own_server() as postgres:
        address = postgres.url.replace("+psycopg", "")
        with psycopg.connect(address, autocommit=True) as raw:
            raw.execute("ALTER SYSTEM SET max_locks_per_transaction = 10")
            raw.execute("ALTER SYSTEM SET max_connections = 10")
        postgres.stop()
        postgres.start()
        with open_database(postgres.url, writable=True) as database:
            text = database.put({"type": "transformations", "value": value})
            assert json.loads(text or "") == dict.fromkeys(value, "stored")
            found = database.get({"type": "transformations", "checksums": [*value]})
            assert json.loads(found or "") == value
            commits = database.commits
            assert commits is not None
            assert 1 < commits.writes.count < 100
