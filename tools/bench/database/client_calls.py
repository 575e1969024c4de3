"""The workloads of part `client`; each runs in a process of its own, and prints calls a second."""

from __future__ import annotations

import asyncio
import http.client
import json
import sys
import time
from typing import TYPE_CHECKING

from seamless_database.client import AsyncDatabaseClient, DatabaseClient
from tools.bench.database.load import HOST
from tools.bench.database.requests import checksum

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

#: results that are stored before
KEYS = 2_000
#: tasks that share the look-ups of one workload
TASKS = 30


def loop(port: int, keys: Sequence[str]) -> float:
    connection = http.client.HTTPConnection(HOST, port)
    start = time.perf_counter()
    for key in keys:
        body = json.dumps({"type": "transformation", "checksum": key}).encode()
        connection.request("GET", "/", body)
        assert connection.getresponse().read()
    rate = len(keys) / (time.perf_counter() - start)
    connection.close()
    return rate


def plain(port: int, keys: Sequence[str]) -> float:
    with DatabaseClient(_url(port)) as client:
        start = time.perf_counter()
        for key in keys:
            assert client.get_transformation(key)
        return len(keys) / (time.perf_counter() - start)


def gather(port: int, keys: Sequence[str]) -> float:
    async def talk(client: AsyncDatabaseClient) -> int:
        found = await asyncio.gather(*map(client.get_transformation, keys))
        assert all(found)
        return len(keys)

    return _rate(port, talk)


def tasks(port: int, keys: Sequence[str]) -> float:
    async def talk(client: AsyncDatabaseClient) -> int:
        left = iter(keys)

        async def one() -> None:
            for key in left:
                assert await client.get_transformation(key)

        await asyncio.gather(*(one() for _ in range(TASKS)))
        return len(keys)

    return _rate(port, talk)


def write(port: int, keys: Sequence[str]) -> float:
    """Store results that are in no former round."""
    first = time.monotonic_ns()

    async def talk(client: AsyncDatabaseClient) -> int:
        new = (checksum(first + number, "written") for number in range(len(keys)))
        await asyncio.gather(*(client.put_transformation(key, key) for key in new))
        return len(keys)

    return _rate(port, talk)


def _rate(port: int, talk: Callable[[AsyncDatabaseClient], Coroutine[None, None, int]]) -> float:
    """Return the calls a second of a new client, its first connection included.

    Another client connects first: the first connection of a process imports anyio (20 ms).
    """

    async def timed() -> float:
        async with AsyncDatabaseClient(_url(port)) as other:
            await other.healthcheck()
        async with AsyncDatabaseClient(_url(port)) as client:
            start = time.perf_counter()
            return await talk(client) / (time.perf_counter() - start)

    return asyncio.run(timed())


def _url(port: int) -> str:
    return f"http://{HOST}:{port}"


WORKLOADS = {"loop": loop, "plain": plain, "gather": gather, "tasks": tasks, "write": write}

if __name__ == "__main__":
    name, port, count = sys.argv[1:]
    print(WORKLOADS[name](int(port), [checksum(n % KEYS) for n in range(int(count))]))
