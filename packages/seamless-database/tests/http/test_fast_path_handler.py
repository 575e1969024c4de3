from __future__ import annotations

import asyncio
import json
from functools import partial
from typing import TYPE_CHECKING

import psycopg
import pytest
from database_samples import checksum, record

from seamless_database import Database
from seamless_database.http.auth import Tokens
from seamless_database.http.fast_path_handler import FastPathHandler
from seamless_database.http.idle import IdleTracker
from seamless_database.http.request_body import MAX_BODY
from seamless_database.http.request_log import RequestRecorder
from seamless_database.http.responses import CHUNK_SIZE
from seamless_database.storage.open import open_database

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
def tally() -> RequestRecorder:
    return RequestRecorder(IdleTracker(), None)


@pytest.fixture
def small(database: Database, tally: RequestRecorder) -> FastPathHandler:
    return FastPathHandler(database, tally, None, MAX_BODY)


def asking(kind: object, **fields: object) -> bytes:
    return json.dumps({"type": kind, **fields}).encode()


def test_a_look_up_is_answered(database: Database, small: FastPathHandler) -> None:
    one, two = checksum(1), checksum(2)
    value = record(one, two, name="é\ud800")
    database.put({"type": "metadata", "checksum": one, "result": two, "value": value})
    assert small.get(asking("transformation", checksum=one), CLIENT) == (200, two.encode())
    answer = small.get(asking("metadata", checksum=one), CLIENT)
    assert answer is not None
    assert json.loads(answer[1]) == value


def test_a_miss_is_answered(small: FastPathHandler) -> None:
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
    small: FastPathHandler, tally: RequestRecorder, body: bytes
) -> None:
    assert small.get(body, CLIENT) is None
    assert tally.requests.items() == []


def test_a_database_that_is_closed_answers_nothing(
    database: Database, small: FastPathHandler
) -> None:
    database.close()
    assert small.get(asking("transformation", checksum=checksum(1)), CLIENT) is None


def test_an_answer_is_counted(small: FastPathHandler, tally: RequestRecorder) -> None:
    small.get(asking("transformation", checksum=checksum(1)), CLIENT)
    ((kind, distribution),) = tally.requests.items()
    assert (kind.method, kind.type, kind.status) == ("GET", "transformation", 404)
    assert distribution.count == 1


def test_an_answer_ends_idleness(database: Database) -> None:
    now = [0.0]
    tally = RequestRecorder(IdleTracker(lambda: now[0]), None)
    now[0] = 5
    FastPathHandler(database, tally, None, MAX_BODY).get(asking("protocol"), CLIENT)
    assert tally.activity.idle() == 0


async def stored(small: FastPathHandler, body: bytes) -> tuple[int, bytes] | None:
    """Put a request; what is told of it, or None if it is left."""
    told: asyncio.Future[tuple[int, bytes]] = asyncio.get_running_loop().create_future()
    if not small.put(body, CLIENT, lambda status, text: told.set_result((status, text))):
        return None
    return await asyncio.wait_for(told, 30)


def test_a_write_is_taken_and_told_of(database: Database, small: FastPathHandler) -> None:
    one, two = checksum(1), checksum(2)
    body = asking("transformation", checksum=one, value=two)
    assert asyncio.run(stored(small, body)) == (200, b"OK")
    assert database.get({"type": "transformation", "checksum": one}) == two


def test_a_conflict_is_told(database: Database, small: FastPathHandler) -> None:
    one, two, three = checksum(1), checksum(2), checksum(3)
    database.put({"type": "transformation", "checksum": one, "value": two})
    body = asking("metadata", checksum=one, result=three, value=record(one, three))
    answer = asyncio.run(stored(small, body))
    assert answer is not None
    assert answer[0] == 409
    assert answer[1].startswith(b"ERROR: ")


def test_a_write_is_counted_and_ends_idleness_when_it_is_told(database: Database) -> None:
    now = [0.0]
    tally = RequestRecorder(IdleTracker(lambda: now[0]), None)
    small = FastPathHandler(database, tally, None, MAX_BODY)
    body = asking("transformation", checksum=checksum(1), value=checksum(2))
    idle: list[float] = []

    async def put() -> None:
        done = asyncio.Event()
        assert small.put(body, CLIENT, lambda _status, _text: done.set())
        now[0] = 5
        idle.append(tally.activity.idle())
        await asyncio.wait_for(done.wait(), 30)
        now[0] = 7
        idle.append(tally.activity.idle())

    asyncio.run(put())
    assert idle == [0, 2]
    ((kind, _),) = tally.requests.items()
    assert (kind.method, kind.type, kind.status) == ("PUT", "transformation", 200)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        asking("transformation", checksum=checksum(1)),
        asking("rev_transformations", checksum=checksum(1)),
    ],
)
def test_whatever_is_no_write_is_left_uncounted(
    small: FastPathHandler, tally: RequestRecorder, body: bytes
) -> None:
    assert asyncio.run(stored(small, body)) is None
    assert tally.requests.items() == []


def test_a_database_that_is_closed_takes_nothing(
    database: Database, small: FastPathHandler
) -> None:
    database.close()
    body = asking("transformation", checksum=checksum(1), value=checksum(2))
    assert asyncio.run(stored(small, body)) is None


async def found(small: FastPathHandler, body: bytes) -> tuple[int, bytes] | None:
    """Get something that takes time; what is told of it, or None if it is left."""
    told: asyncio.Future[tuple[int, bytes]] = asyncio.get_running_loop().create_future()
    again = partial(told.set_result, (0, b"again"))
    if not small.get_soon(
        body, CLIENT, lambda status, text: told.set_result((status, text)), again
    ):
        return None
    return await asyncio.wait_for(told, 30)


def test_an_answer_that_is_large_is_left_and_not_counted(
    database: Database, small: FastPathHandler, tally: RequestRecorder
) -> None:
    info = {"x": "x" * CHUNK_SIZE}
    database.put({"type": "buffer_info", "checksum": checksum(1), "value": info})
    body = asking("buffer_info", checksum=checksum(1))
    assert asyncio.run(found(small, body)) == (0, b"again")
    assert tally.requests.items() == []
    assert tally.activity.idle() > 0


def test_a_look_up_that_takes_time_is_taken_and_told_of(
    where: Path | str, tally: RequestRecorder
) -> None:
    one, two = checksum(1), checksum(2)
    with open_database(where, writable=True) as database:
        database.put({"type": "transformation", "checksum": one, "value": two})
        small = FastPathHandler(database, tally, None, MAX_BODY)
        assert small.at_once == isinstance(database, Database)
        answers = [
            asyncio.run(found(small, asking("transformation", checksum=each)))
            for each in (one, two)
        ]
        assert answers == [(200, two.encode()), (404, b"ERROR: Unknown key")]
        assert [kind.status for kind, _ in tally.requests.items()] == [200, 404]
        for left in (b"", asking("rev_transformations", checksum=two), asking("transformation")):
            assert asyncio.run(found(small, left)) is None
    assert asyncio.run(found(small, asking("transformation", checksum=one))) is None


def test_a_look_up_that_fails_is_told(postgresql: str, tally: RequestRecorder) -> None:
    with open_database(postgresql, writable=True) as database:
        with psycopg.connect(postgresql.replace("+psycopg", "")) as raw:
            raw.execute("DROP TABLE transformation")
        small = FastPathHandler(database, tally, None, MAX_BODY)
        answer = asyncio.run(found(small, asking("transformation", checksum=checksum(1))))
    assert answer is not None
    assert answer[0] == 503
    assert answer[1].startswith(b"ERROR: the database could not be read")


@pytest.mark.parametrize(
    ("method", "path", "length"),
    [
        ("HEAD", "/", 5),
        ("POST", "/", 5),
        ("GET", "/healthcheck", 5),
        ("PUT", "/x", 5),
        ("GET", "/", 6),
    ],
)
def test_other_requests_are_not_admitted(
    database: Database, tally: RequestRecorder, method: str, path: str, length: int
) -> None:
    small = FastPathHandler(database, tally, None, 5)
    assert small.accepts("GET", "/", [], 5)
    assert small.accepts("PUT", "/", [], 5)
    assert not small.accepts(method, path, [], length)


def test_writes_are_not_admitted_where_there_are_none(
    database: Database, tally: RequestRecorder
) -> None:
    with Database(database.path) as read_only:
        small = FastPathHandler(read_only, tally, None, MAX_BODY)
        assert small.accepts("GET", "/", [], 5)
        assert not small.accepts("PUT", "/", [], 5)


def test_only_those_with_a_token_for_it_are_admitted(
    database: Database, tally: RequestRecorder
) -> None:
    tokens = Tokens.parse(f"read {TOKEN}", "tokens")
    small = FastPathHandler(database, tally, tokens, MAX_BODY)
    assert small.accepts("GET", "/", SHOWN, 5)
    assert not small.accepts("PUT", "/", SHOWN, 5)
    assert not small.accepts("GET", "/", [], 5)
    assert not small.accepts("GET", "/", [(b"authorization", b"Bearer x")], 5)
