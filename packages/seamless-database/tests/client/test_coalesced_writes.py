"""Writes that an event loop makes in the same turn share bulk writes."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from database_samples import checksum, record
from database_server import Server
from other_servers import scripted_server
from request_counts import sent

from seamless_database.client import AsyncDatabaseClient
from seamless_database.client.coalescing import MAX_KEYS
from seamless_database.errors import ConflictError, ReadOnlyError, RequestError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KEYS = [checksum(number) for number in range(100)]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("writes") / "seamless.db") as server:
        yield server


def name(number: int, part: str) -> str:
    return checksum((number, part))


def test_writes_of_one_turn_are_one_request(server: Server) -> None:
    stored = {name(number, "written"): name(number, "result") for number in range(MAX_KEYS)}

    async def talk(client: AsyncDatabaseClient) -> None:
        await asyncio.gather(*(client.put_transformation(*item) for item in stored.items()))
        found = await asyncio.gather(*map(client.get_transformation, stored))
        assert found == list(stored.values())
        infos = (client.put_buffer_info(key, {"length": 2}) for key in stored)
        await asyncio.gather(*infos)
        assert await client.get_buffer_infos(stored) == {key: {"length": 2} for key in stored}

    assert sent(server, talk) == {
        "protocol": 1,
        "PUT transformations": 1,
        "transformations": 1,
        "PUT buffer_infos": 1,
        "buffer_infos": 1,
    }


def test_each_write_has_its_own_outcome(server: Server) -> None:
    bodies = [record(name(number, "tf"), KEYS[0], wall_time_seconds=1.0) for number in range(3)]
    other = {**bodies[1], "wall_time_seconds": 2.0}

    async def talk(client: AsyncDatabaseClient) -> None:
        await client.put_metadata(name(1, "tf"), KEYS[0], other)
        records = [
            client.put_metadata(name(number, "tf"), KEYS[0], body)
            for number, body in enumerate(bodies)
        ]
        found = await asyncio.gather(*records, return_exceptions=True)
        assert [type(outcome) for outcome in found] == [type(None), ConflictError, type(None)]
        assert await client.get_metadata(name(1, "tf")) == other
        assert await client.get_metadata(name(2, "tf")) == bodies[2]
        values: list[Any] = [{"length": 1}, {"length": -1}, {"x": {1, 2}}, {"length": 4}]
        infos = [
            client.put_buffer_info(name(number, "info"), value)
            for number, value in enumerate(values)
        ]
        found = await asyncio.gather(*infos, return_exceptions=True)
        assert [type(outcome) for outcome in found] == [
            type(None),
            RequestError,
            RequestError,
            type(None),
        ]

    requests = sent(server, talk)
    assert requests["PUT metadatas"] == requests["PUT buffer_infos"] == 1


def test_two_writes_of_one_key_are_both_acknowledged(server: Server) -> None:
    async def talk(client: AsyncDatabaseClient) -> None:
        key = name(0, "twice")
        puts = (client.put_transformation(key, result) for result in KEYS[:3])
        await asyncio.gather(*puts, client.put_transformation(name(1, "twice"), KEYS[0]))
        assert await client.get_transformation(key) in KEYS[:3]
        infos = ({"length": 1}, {"is_utf8": True}, {"dtype": "int64"})
        await asyncio.gather(*(client.put_buffer_info(key, info) for info in infos))
        assert await client.get_buffer_info(key) == infos[0] | infos[1] | infos[2]

    sent(server, talk)


def test_writes_to_a_read_only_server_fail_each(tmp_path: Path) -> None:
    with Server(tmp_path / "seamless.db"):
        pass

    async def talk(client: AsyncDatabaseClient) -> None:
        puts = (client.put_transformation(key, key) for key in KEYS[:3])
        found = await asyncio.gather(*puts, return_exceptions=True)
        assert [type(outcome) for outcome in found] == [ReadOnlyError] * 3

    with Server(tmp_path / "seamless.db", writable=False) as server:
        sent(server, talk)


def test_writes_too_large_for_one_request_are_sent_alone(server: Server) -> None:
    async def talk(client: AsyncDatabaseClient) -> None:
        puts = (
            client.put_buffer_info(name(number, "large"), {"note": "x" * 900_000})
            for number in range(6)
        )
        await asyncio.gather(*puts)

    assert sent(server, talk)["PUT buffer_info"] == 6


def test_an_old_server_gets_one_write_at_a_time() -> None:
    def respond(request: dict[str, Any]) -> tuple[int, str]:
        if request["type"] != "transformation":
            return 400, "ERROR: Unknown type"
        return 200, "OK"

    async def talk(url: str) -> None:
        async with AsyncDatabaseClient(url) as client:
            for _ in range(2):
                puts = (client.put_transformation(key, key) for key in KEYS)
                await asyncio.gather(*puts)

    with scripted_server(respond) as (url, requests):
        asyncio.run(talk(url))
    asked = [request for request in requests if request["type"] == "transformations"]
    assert [len(request["value"]) for request in asked] == [len(KEYS), 0]
    assert sum(request["type"] == "transformation" for request in requests) == 2 * len(KEYS)
