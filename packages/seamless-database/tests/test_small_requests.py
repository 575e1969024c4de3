from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from database_samples import checksum, record

from seamless_database import Database
from seamless_database.activity import Activity
from seamless_database.auth import Tokens
from seamless_database.small_requests import SmallRequests
from seamless_database.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TOKEN = "t" * 20
SHOWN = [(b"authorization", b"Bearer " + TOKEN.encode())]
CLIENT = ("127.0.0.1", 5)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with Database(tmp_path / "seamless.db", writable=True) as database:
        yield database


@pytest.fixture
def tally() -> Tally:
    return Tally(Activity(), None)


@pytest.fixture
def small(database: Database, tally: Tally) -> SmallRequests:
    return SmallRequests(database, tally, None)


def asking(kind: object, **fields: object) -> bytes:
    return json.dumps({"type": kind, **fields}).encode()


def test_a_look_up_is_answered(database: Database, small: SmallRequests) -> None:
    one, two = checksum(1), checksum(2)
    value = record(one, two, name="é\ud800")
    database.put({"type": "metadata", "checksum": one, "result": two, "value": value})
    assert small.get(asking("transformation", checksum=one), CLIENT) == (200, two.encode())
    answer = small.get(asking("metadata", checksum=one), CLIENT)
    assert answer is not None
    assert json.loads(answer[1]) == value


def test_a_miss_is_answered(small: SmallRequests) -> None:
    answer = small.get(asking("transformation", checksum=checksum(1)), CLIENT)
    assert answer == (404, b"ERROR: Unknown key")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff",
        b"[]",
        asking(5),
        asking("healthcheck"),
        asking("transformation"),
        asking("transformation", checksum="x"),
        # these may take time
        asking("rev_transformations", checksum=checksum(1)),
        asking("irreproducible", checksum=checksum(1)),
    ],
)
def test_whatever_is_no_look_up_is_left_uncounted(
    small: SmallRequests, tally: Tally, body: bytes
) -> None:
    assert small.get(body, CLIENT) is None
    assert tally.requests.items() == []


def test_a_database_that_is_closed_answers_nothing(
    database: Database, small: SmallRequests
) -> None:
    database.close()
    assert small.get(asking("transformation", checksum=checksum(1)), CLIENT) is None


def test_an_answer_is_counted(small: SmallRequests, tally: Tally) -> None:
    small.get(asking("transformation", checksum=checksum(1)), CLIENT)
    ((kind, distribution),) = tally.requests.items()
    assert (kind.method, kind.type, kind.status) == ("GET", "transformation", 404)
    assert distribution.count == 1


def test_an_answer_ends_idleness(database: Database) -> None:
    now = [0.0]
    tally = Tally(Activity(lambda: now[0]), None)
    now[0] = 5
    SmallRequests(database, tally, None).get(asking("protocol"), CLIENT)
    assert tally.activity.idle() == 0


@pytest.mark.parametrize(
    ("method", "path"), [("PUT", "/"), ("HEAD", "/"), ("POST", "/"), ("GET", "/healthcheck")]
)
def test_only_reading_at_the_root_is_admitted(small: SmallRequests, method: str, path: str) -> None:
    assert small.admits("GET", "/", [])
    assert not small.admits(method, path, [])


def test_only_those_with_a_token_are_admitted(database: Database, tally: Tally) -> None:
    small = SmallRequests(database, tally, Tokens.parse(f"read {TOKEN}", "tokens"))
    assert small.admits("GET", "/", SHOWN)
    assert not small.admits("GET", "/", [])
    assert not small.admits("GET", "/", [(b"authorization", b"Bearer x")])
