"""Look-ups that an event loop makes in the same turn share list requests."""

from __future__ import annotations

import asyncio
import json
import os
import random
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
import uvloop
from database_samples import checksum
from database_server import TIMEOUT, Server
from other_servers import scripted_server
from request_counts import sent

from seamless_database.client import AsyncDatabaseClient
from seamless_database.client.coalescing import MAX_KEYS
from seamless_database.errors import (
    ClientError,
    RequestError,
    UnavailableError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ROWS = 100
#: rounds of random cancellations
ROUNDS = int(os.environ.get("SEAMLESS_TEST_ROUNDS", "2"))
KEYS = [checksum(number) for number in range(2 * ROWS)]
#: misses are in the second half
RESULTS = [checksum(-number) if number < ROWS else None for number in range(2 * ROWS)]
MISS = 404, "ERROR: Unknown key"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("coalescing") / "seamless.db") as server:
        for key, result in zip(KEYS[:ROWS], RESULTS, strict=False):
            server.put("transformation", checksum=key, value=result)
            server.put("buffer_info", checksum=key, value={"length": 1})
        yield server


async def look_up_all(client: AsyncDatabaseClient) -> None:
    assert await asyncio.gather(*map(client.get_transformation, KEYS)) == RESULTS


def test_look_ups_of_one_turn_are_one_request(server: Server) -> None:
    assert sent(server, look_up_all) == {"protocol": 1, "transformations": 1}


def test_look_ups_of_each_kind_are_one_request(server: Server) -> None:
    async def talk(client: AsyncDatabaseClient) -> None:
        infos, results = await asyncio.gather(
            asyncio.gather(*(client.get_buffer_info(key) for key in KEYS)),
            asyncio.gather(*map(client.get_transformation, KEYS)),
        )
        assert infos == [{"length": 1}] * ROWS + [None] * ROWS
        assert results == RESULTS

    assert sent(server, talk) | {"protocol": 1} == {
        "protocol": 1,
        "transformations": 1,
        "buffer_infos": 1,
    }


def test_more_look_ups_are_several_requests(server: Server) -> None:
    keys = [checksum((number, "many")) for number in range(2 * MAX_KEYS + 1)]

    async def talk(client: AsyncDatabaseClient) -> None:
        await client.healthcheck()
        found = await asyncio.gather(*map(client.get_transformation, [*keys, KEYS[1]]))
        assert found == [None] * len(keys) + [RESULTS[1]]

    assert sent(server, talk)["transformations"] == 3


def test_a_look_up_alone_is_a_single_request(server: Server) -> None:
    async def talk(client: AsyncDatabaseClient) -> None:
        for key, result in zip(KEYS[:3], RESULTS, strict=False):
            assert await client.get_transformation(key) == result

    assert sent(server, talk) == {"protocol": 1, "transformation": 3}


def test_tasks_that_look_up_one_after_the_other_stay_together(server: Server) -> None:
    async def talk(client: AsyncDatabaseClient) -> None:
        async def one(keys: list[str]) -> None:
            for key in keys:
                await client.get_transformation(key)

        await asyncio.gather(*(one(KEYS[start::20]) for start in range(20)))

    found = sent(server, talk)
    assert found["transformations"] == len(KEYS) / 20
    assert "transformation" not in found


def test_without_coalescing_each_look_up_is_a_request(server: Server) -> None:
    found = sent(server, look_up_all, coalesce=False)
    assert found["transformation"] == len(KEYS)
    assert "transformations" not in found


def test_callers_of_one_checksum_get_a_value_each(server: Server) -> None:
    async def talk(client: AsyncDatabaseClient) -> None:
        asked: list[str | bytes] = [KEYS[1], KEYS[1].upper(), bytes.fromhex(KEYS[1])]
        first, *others = await asyncio.gather(*(client.get_buffer_info(key) for key in asked))
        assert first is not None
        first["length"] = 99
        assert others == [{"length": 1}] * 2

    assert sent(server, talk)["buffer_infos"] == 1


def test_a_wrong_checksum_fails_alone(server: Server) -> None:
    async def talk(client: AsyncDatabaseClient) -> None:
        calls = [client.get_transformation(key) for key in (KEYS[1], "wrong", KEYS[2])]
        first, wrong, second = await asyncio.gather(*calls, return_exceptions=True)
        assert isinstance(wrong, RequestError)
        assert [first, second] == RESULTS[1:3]

    assert sent(server, talk)["transformations"] == 1


def test_a_damaged_row_affects_no_other_look_up(tmp_path: Path) -> None:
    file = tmp_path / "seamless.db"
    with Server(file) as server:
        for key in KEYS[:3]:
            server.put("transformation", checksum=key, value=key)
            server.put("buffer_info", checksum=key, value={})
    with sqlite3.connect(file) as connection:
        connection.execute("UPDATE transformation SET result = 'x' WHERE checksum = ?", KEYS[:1])
        connection.execute("UPDATE buffer_info SET buffer_info = '[' WHERE checksum = ?", KEYS[:1])
    connection.close()

    async def talk(url: str) -> None:
        async with AsyncDatabaseClient(url) as client:
            keys = KEYS[:3]
            assert await asyncio.gather(*map(client.get_transformation, keys)) == [None, *keys[1:]]
            infos = await asyncio.gather(*(client.get_buffer_info(key) for key in keys))
            assert infos == [None, {}, {}]

    with Server(file) as server:
        asyncio.run(talk(server.url))


def test_an_error_reaches_every_caller_as_an_object_of_its_own() -> None:
    async def talk(url: str) -> list[Any]:
        async with AsyncDatabaseClient(url) as client:
            calls = map(client.get_transformation, KEYS[:3])
            return list(await asyncio.gather(*calls, return_exceptions=True))

    def respond(_request: object) -> tuple[int, str]:
        return 503, "ERROR: the disk is full"

    with scripted_server(respond) as (url, _):
        found = asyncio.run(talk(url))
    assert [(type(error), str(error)) for error in found] == [
        (UnavailableError, "the disk is full")
    ] * 3
    assert len(set(map(id, found))) == 3
    found = asyncio.run(talk("http://127.0.0.1:1"))
    assert {(type(error), error.url) for error in found} == {(ClientError, "http://127.0.0.1:1")}
    assert len(set(map(id, found))) == 3


def test_a_list_that_the_server_finds_too_large_is_sent_as_single_requests(
    tmp_path: Path,
) -> None:
    with Server(tmp_path / "seamless.db", "--max-body", "1KB") as server:
        server.put("transformation", checksum=KEYS[1], value=RESULTS[1])

        async def talk(client: AsyncDatabaseClient) -> None:
            found = await asyncio.gather(*map(client.get_transformation, KEYS[:40]))
            assert found == [None, RESULTS[1], *[None] * 38]
            found = await asyncio.gather(*map(client.get_transformation, KEYS[:2]))
            assert found == [None, RESULTS[1]]

        found = sent(server, talk)
        assert found["transformation"] == 40
        # the empty one that finds out whether lists are supported, and the short one
        assert found["transformations"] == 2


def old_server(request: dict[str, Any]) -> tuple[int, str]:
    """A published server, which knows no lists."""
    if request["type"] != "transformation":
        return 400, "ERROR: Unknown type"
    number = KEYS.index(request["checksum"])
    return (200, str(RESULTS[number])) if RESULTS[number] else MISS


def test_an_old_server_is_recognised_once_and_asked_one_by_one() -> None:
    async def talk(url: str) -> None:
        async with AsyncDatabaseClient(url) as client:
            await look_up_all(client)
            await look_up_all(client)

    with scripted_server(old_server) as (url, requests):
        asyncio.run(talk(url))
    asked = [request for request in requests if request["type"] == "transformations"]
    assert [len(request["checksums"]) for request in asked] == [len(KEYS), 0]
    assert sum(request["type"] == "transformation" for request in requests) == 2 * len(KEYS)


class Gate:
    """Answers list requests, but not before it is opened."""

    def __init__(self) -> None:
        self.open = threading.Event()

    def respond(self, request: dict[str, Any]) -> tuple[int, str]:
        self.open.wait(TIMEOUT)
        if "checksum" in request:
            return 200, request["checksum"]
        return 200, json.dumps({key: key for key in request["checksums"]})


async def arrived(requests: list[dict[str, Any]]) -> None:
    """Wait until the first list request has arrived."""
    while not any(  # noqa: ASYNC110  # another thread appends to the list
        request["type"] == "transformations" for request in requests
    ):
        await asyncio.sleep(0.01)


@pytest.mark.parametrize("is_sent", [False, True])
def test_a_cancelled_caller_cancels_no_other(is_sent: bool) -> None:
    gate = Gate()

    async def talk(url: str) -> None:
        async with AsyncDatabaseClient(url) as client:
            tasks = [asyncio.create_task(client.get_transformation(key)) for key in KEYS[:4]]
            if is_sent:
                await arrived(requests)
            else:
                await asyncio.sleep(0)
            tasks[0].cancel()
            tasks[2].cancel()
            gate.open.set()
            found = await asyncio.gather(*tasks, return_exceptions=True)
            assert [found[1], found[3]] == [KEYS[1], KEYS[3]]
            assert tasks[0].cancelled()
            assert tasks[2].cancelled()

    with scripted_server(gate.respond) as (url, requests):
        asyncio.run(talk(url))
    asked = KEYS[:4] if is_sent else [KEYS[1], KEYS[3]]
    assert requests[1:] == [{"type": "transformations", "checksums": asked}]


def test_cancelled_callers_send_nothing(server: Server) -> None:
    async def talk(client: AsyncDatabaseClient) -> None:
        tasks = [asyncio.create_task(client.get_transformation(key)) for key in KEYS]
        await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        assert all(task.cancelled() for task in tasks)
        assert await client.get_transformation(KEYS[1]) == RESULTS[1]

    assert sent(server, talk) == {"protocol": 1, "transformation": 1}


def test_a_request_is_cancelled_with_the_last_of_its_callers() -> None:
    gate = Gate()

    async def talk(url: str) -> None:
        async with AsyncDatabaseClient(url) as client:
            tasks = [asyncio.create_task(client.get_transformation(key)) for key in KEYS[:4]]
            await arrived(requests)
            others = asyncio.all_tasks() - {*tasks, asyncio.current_task()}
            assert len(others) == 1
            for task in tasks:
                task.cancel()
            await asyncio.wait([*tasks, *others], timeout=TIMEOUT)
            assert all(task.cancelled() for task in (*tasks, *others))
            gate.open.set()
            assert await asyncio.gather(*map(client.get_transformation, KEYS[:2])) == KEYS[:2]

    with scripted_server(gate.respond) as (url, requests):
        asyncio.run(talk(url))


def test_a_timeout_around_one_look_up_ends_it_alone() -> None:
    gate = Gate()

    async def talk(url: str) -> None:
        async with AsyncDatabaseClient(url) as client:
            other = asyncio.create_task(client.get_transformation(KEYS[1]))
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(client.get_transformation(KEYS[0]), 0.1)
            gate.open.set()
            assert await other == KEYS[1]

    with scripted_server(gate.respond) as (url, _):
        asyncio.run(talk(url))


def test_random_cancellations_mix_up_no_answers(server: Server) -> None:
    """Tasks write and look up at random times, and some are cancelled at random times."""
    randomness = random.Random(2026)

    async def call(client: AsyncDatabaseClient, number: int) -> None:
        await asyncio.sleep(randomness.choice((0, 0, 0.001, 0.01)))
        key = checksum((number % 300, "random"))
        if number % 4:
            assert await client.get_transformation(key) in (None, key[::-1])
            assert await client.get_transformation(KEYS[number % 200]) == RESULTS[number % 200]
        else:
            await client.put_transformation(key, key[::-1])
            assert await client.get_transformation(key) == key[::-1]

    async def talk(client: AsyncDatabaseClient) -> None:
        for _ in range(ROUNDS):
            tasks = [asyncio.create_task(call(client, number)) for number in range(600)]
            cancelled = randomness.sample(tasks, 200)
            for task in cancelled:
                await asyncio.sleep(randomness.choice((0, 0, 0.0005)))
                task.cancel()
            found = await asyncio.gather(*tasks, return_exceptions=True)
            errors = [error for error in found if error is not None]
            assert all(isinstance(error, asyncio.CancelledError) for error in errors), errors
            assert len(errors) <= len(cancelled)
        assert len(asyncio.all_tasks()) == 1

    sent(server, talk)


def test_closing_ends_the_look_ups_in_flight_and_those_that_wait() -> None:
    gate = Gate()

    async def talk(url: str) -> None:
        client = AsyncDatabaseClient(url)
        tasks = [asyncio.create_task(client.get_transformation(key)) for key in KEYS[:4]]
        await arrived(requests)
        tasks += [asyncio.create_task(client.get_transformation(key)) for key in KEYS[:4]]
        await asyncio.sleep(0)
        await client.close()
        found = await asyncio.gather(*tasks, return_exceptions=True)
        assert [type(error) for error in found] == [ClientError] * 8
        assert {str(error) for error in found} == {
            f"{url} gave no answer: the client is closed",
        }

    with scripted_server(gate.respond) as (url, requests):
        asyncio.run(talk(url))
        gate.open.set()


def test_a_client_may_be_used_in_several_event_loops(server: Server) -> None:
    client = AsyncDatabaseClient(server.url)

    async def talk() -> None:
        async with client:
            await look_up_all(client)

    for _ in range(2):
        asyncio.run(talk())
    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(asyncio.run, talk()) for _ in range(8)]:
            done.result(TIMEOUT)


def test_the_client_runs_on_uvloop(server: Server) -> None:
    async def talk() -> None:
        async with AsyncDatabaseClient(server.url) as client:
            await look_up_all(client)
            assert await client.get_metadata(KEYS[0]) is None

    loop = uvloop.new_event_loop()
    try:
        loop.run_until_complete(talk())
    finally:
        loop.close()
