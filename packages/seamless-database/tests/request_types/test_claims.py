"""Claims: one worker computes a transformation, until it ends the claim or the claim expires."""

from __future__ import annotations

import json
import select
import socket
import sqlite3
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest
from database_samples import checksum, record
from database_server import TIMEOUT, Server, http_request

from seamless_database import Database
from seamless_database.errors import RequestError
from seamless_database.request_types import claim

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from database_targets import DatabaseUnderTest

    from seamless_database.storage.backend import Backend

TF, RESULT = checksum("tf"), checksum("result")
#: an hour, by which a clock is set
HOUR = 3600.0


@pytest.fixture(autouse=True)
def seconds_forward(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return a list; a number in it is by how much the clock of the database was set forward."""
    steps: list[float] = []
    clock = claim.ClockSteps(lambda: time.monotonic() - sum(steps))
    monkeypatch.setattr(claim, "_CLOCK", clock)
    return steps


def put_claim(database: Backend, holder: str, seconds: float = 30, key: str = TF) -> None:
    database.put({"type": "claim", "checksum": key, "holder": holder, "seconds": seconds})


def get_claim(database: Backend, key: str = TF) -> dict[str, Any] | None:
    text = database.get({"type": "claim", "checksum": key})
    return None if text is None else json.loads(text)


def holder(database: Backend, key: str = TF) -> str | None:
    found = get_claim(database, key)
    return None if found is None else found["holder"]


def age_claims(place: DatabaseUnderTest, seconds: float) -> None:
    """Change the stored times as if they were written so much earlier."""
    rows = place.rows("SELECT checksum, claimed_at, renewed_at FROM claim")
    for key, claimed, renewed in rows:
        times = [f"{float(text) - seconds:.3f}" for text in (claimed, renewed)]
        place.change(
            f"UPDATE claim SET claimed_at = '{times[0]}', renewed_at = '{times[1]}' "
            f"WHERE checksum = '{key}'"
        )


def test_the_first_worker_has_the_claim(database: Backend) -> None:
    before = datetime.now(timezone.utc)
    assert get_claim(database) is None
    put_claim(database, "first", 30)
    put_claim(database, "second", 30)
    found = get_claim(database)
    assert found is not None
    assert found["holder"] == "first"
    assert abs(datetime.fromisoformat(found["since"]) - before) < timedelta(seconds=60)
    assert 0 < found["remaining"] <= 30
    assert holder(database, checksum("other")) is None


def test_a_renewed_claim_keeps_its_beginning(database: Backend, place: DatabaseUnderTest) -> None:
    put_claim(database, "first", 30)
    age_claims(place, 20.0)
    aged = get_claim(database)
    assert aged is not None
    assert aged["remaining"] <= 10
    put_claim(database, "first", 100)
    renewed = get_claim(database)
    assert renewed is not None
    assert renewed["since"] == aged["since"]
    assert 30 < renewed["remaining"] <= 100


def test_only_its_holder_ends_a_claim(database: Backend) -> None:
    put_claim(database, "first")
    put_claim(database, "second", 0)
    assert holder(database) == "first"
    put_claim(database, "first", 0)
    assert get_claim(database) is None
    put_claim(database, "first", 0)
    assert get_claim(database) is None
    put_claim(database, "second")
    assert holder(database) == "second"


def test_an_expired_claim_is_taken_over(database: Backend, place: DatabaseUnderTest) -> None:
    put_claim(database, "killed", 30)
    age_claims(place, 30.5)
    assert get_claim(database) is None
    put_claim(database, "second", 30)
    assert holder(database) == "second"
    assert place.count("claim") == 1


def test_a_worker_that_was_suspended_takes_its_claim_again(
    database: Backend, place: DatabaseUnderTest
) -> None:
    put_claim(database, "first", 30)
    age_claims(place, 50.0)
    put_claim(database, "first", 30)
    assert holder(database) == "first"


@pytest.mark.parametrize("kind", ["transformation", "metadata"])
def test_a_result_ends_a_claim(database: Backend, kind: str) -> None:
    put_claim(database, "first")
    if kind == "transformation":
        database.put({"type": kind, "checksum": TF, "value": RESULT})
    else:
        value = record(TF, RESULT)
        database.put({"type": kind, "checksum": TF, "result": RESULT, "value": value})
    assert get_claim(database) == {"result": RESULT}
    put_claim(database, "second")
    put_claim(database, "first")
    assert get_claim(database) == {"result": RESULT}


def test_a_claim_of_a_stored_result_leaves_no_row(
    database: Backend, place: DatabaseUnderTest
) -> None:
    database.put({"type": "transformation", "checksum": TF, "value": RESULT})
    put_claim(database, "first")
    assert place.count("claim") == 0


def test_an_irreproducible_result_ends_a_claim(database: Backend) -> None:
    put_claim(database, "first")
    database.put({"type": "transformation", "checksum": TF, "value": RESULT})
    database.put({"type": "irreproducible", "checksum": TF, "result": RESULT})
    assert get_claim(database) is None
    put_claim(database, "second")
    assert holder(database) == "second"


def test_a_claim_blocks_no_write(database: Backend) -> None:
    put_claim(database, "first")
    database.put({"type": "transformation", "checksum": TF, "value": RESULT})
    assert database.get({"type": "transformation", "checksum": TF}) == RESULT


def test_a_claim_outlives_a_clock_that_is_set_forward(
    database: Backend, place: DatabaseUnderTest, seconds_forward: list[float]
) -> None:
    put_claim(database, "first", 30)
    age_claims(place, HOUR)
    seconds_forward.append(HOUR)
    put_claim(database, "second", 30)
    assert holder(database) == "first"
    age_claims(place, 30.5)
    put_claim(database, "second", 30)
    assert holder(database) == "second"


def test_a_claim_ends_in_time_if_the_clock_is_set_back(
    database: Backend, place: DatabaseUnderTest
) -> None:
    put_claim(database, "killed", 30)
    age_claims(place, -HOUR)
    found = get_claim(database)
    assert found is not None
    assert found["remaining"] == 30
    put_claim(database, "second", 30)
    assert holder(database) == "killed"
    age_claims(place, 30.5)
    put_claim(database, "second", 30)
    assert holder(database) == "second"


def test_a_claim_of_the_same_moment_renews_no_other(
    database: Backend, place: DatabaseUnderTest
) -> None:
    put_claim(database, "killed", 30)
    age_claims(place, 10.0)
    other = checksum("other")
    put_claim(database, "first", 30, other)
    # stored times are rounded
    age_claims(place, -1.0)
    put_claim(database, "second", 30, other)
    found = get_claim(database)
    assert found is not None
    assert found["remaining"] < 25


@pytest.mark.parametrize("column", ["claimed_at", "renewed_at", "seconds"])
def test_a_damaged_claim_is_none(database: Backend, place: DatabaseUnderTest, column: str) -> None:
    put_claim(database, "first")
    place.change(f"UPDATE claim SET {column} = 'soon'")
    assert get_claim(database) is None
    put_claim(database, "second")
    assert holder(database) == "second"


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("seconds", -1, "a number of seconds from 0 to 86400"),
        ("seconds", 86401, "a number of seconds from 0 to 86400"),
        ("seconds", True, "a number of seconds"),
        ("seconds", "30", "a number of seconds"),
        ("seconds", None, "a number of seconds"),
        ("holder", "", "not empty"),
        ("holder", "x" * 201, "at most 200 characters"),
        ("checksum", "x", "a checksum"),
    ],
)
def test_invalid_claims_are_rejected(
    database: Backend, field: str, value: object, message: str
) -> None:
    body = {"type": "claim", "checksum": TF, "holder": "first", "seconds": 30, field: value}
    with pytest.raises(RequestError, match=message) as caught:
        database.put(body)
    assert caught.value.field == field
    assert get_claim(database) is None


@pytest.mark.parametrize("wait", [-1, 61, "1", None])
def test_an_invalid_time_to_wait_is_rejected(database: Backend, wait: object) -> None:
    with pytest.raises(RequestError, match="'wait'"):
        database.get({"type": "claim", "checksum": TF, "wait": wait})


@pytest.fixture
def replica(place: DatabaseUnderTest, database: Backend) -> Iterator[Backend]:
    """Another server of the same database; a file has one server only."""
    if place.is_file:
        yield database
        return
    with place.open() as replica:
        yield replica


def test_one_of_many_workers_gets_each_claim(
    database: Backend, replica: Backend, place: DatabaseUnderTest
) -> None:
    keys = [checksum(number) for number in range(10)]

    def claim_all(worker: int) -> list[str]:
        server = replica if worker % 2 else database
        for key in keys:
            put_claim(server, str(worker), key=key)
        return [str(holder(server, key)) for key in keys]

    with ThreadPoolExecutor(16) as pool:
        seen = set(map(tuple, pool.map(claim_all, range(16))))
    assert len(seen) == 1
    assert seen <= {tuple(str(holder(database, key)) for key in keys)}
    assert place.count("claim") == len(keys)


def test_a_file_without_claims_can_be_read(tmp_path: Path) -> None:
    file = tmp_path / "seamless.db"
    Database(file, writable=True).close()
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("DROP TABLE claim")
    with Database(file) as database:
        assert get_claim(database) is None


# waiting, through a server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("claims") / "seamless.db") as server:
        yield server


def claim_at(server: Server, key: str, seconds: float) -> None:
    done = server.put("claim", checksum=key, holder="first", seconds=seconds)
    assert done.text == "OK"


def test_a_read_waits_for_the_result(server: Server) -> None:
    claim_at(server, TF, 30)
    put = threading.Timer(0.3, lambda: server.put("transformation", checksum=TF, value=RESULT))
    put.start()
    found = server.get("claim", checksum=TF, wait=20, holder="second")
    assert found.json() == {"result": RESULT}
    put.join()


def test_a_read_waits_for_the_end_of_the_claim(server: Server) -> None:
    key = checksum("a claim that ends")
    claim_at(server, key, 0.3)
    assert server.get("claim", checksum=key, wait=20).status == 404


def test_a_read_waits_no_longer_than_it_asks(server: Server) -> None:
    key = checksum("a claim that lasts")
    claim_at(server, key, 60)
    assert server.get("claim", checksum=key, wait=0.2).json()["holder"] == "first"


def test_a_holder_does_not_wait_for_itself(server: Server) -> None:
    key = checksum("an own claim")
    claim_at(server, key, 60)
    assert server.get("claim", checksum=key, wait=60, holder="first").json()["holder"] == "first"


def test_a_server_stops_while_reads_wait(tmp_path: Path) -> None:
    with Server(tmp_path / "seamless.db") as server:
        claim_at(server, TF, 60)
        answers: list[int] = []
        reader = threading.Thread(
            target=lambda: answers.append(server.get("claim", checksum=TF, wait=60).status)
        )
        reader.start()
        time.sleep(0.3)
        server.process.terminate()
        reader.join(20)
        assert answers == [200]
        assert server.end()[0] == 0


def test_a_read_ends_when_its_client_disconnects(tmp_path: Path) -> None:
    with Server(tmp_path / "seamless.db", "--timeout", "0.5") as server:
        claim_at(server, TF, 60)
        body = json.dumps({"type": "claim", "checksum": TF, "wait": 60}).encode()
        with socket.create_connection((server.host, server.port)) as connection:
            head = b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body)
            connection.sendall(head + body)
            time.sleep(1.2)
            # a client that waits keeps the server from stopping
            assert server.process.poll() is None
        assert server.process.wait(30) == 0


def test_waiting_reads_leave_connections_to_other_requests(tmp_path: Path) -> None:
    with Server(tmp_path / "seamless.db", "--max-connections", "8") as server:
        claim_at(server, TF, 60)
        waiting = [socket.create_connection((server.host, server.port)) for _ in range(5)]
        for client in waiting:
            client.sendall(http_request("claim", checksum=TF, wait=60))
        # half of the connections may wait
        ((answered,), _, _) = select.select(waiting, [], [], TIMEOUT)
        assert b'"holder": "first"' in answered.recv(65536)
        waiting.remove(answered)
        for number in range(3):
            put = server.put("transformation", checksum=checksum(number), value=RESULT)
            assert put.text == "OK"
        server.put("transformation", checksum=TF, value=RESULT)
        for client in waiting:
            assert b'"result"' in client.recv(65536)
        # all of them may wait again
        claim_at(server, RESULT, 0.3)
        assert server.get("claim", checksum=RESULT, wait=20).status == 404
        for client in (answered, *waiting):
            client.close()
