"""What the application keeps of large bodies and large responses, without a server around it."""

from __future__ import annotations

import asyncio
import gc
import json
import threading
from typing import TYPE_CHECKING, Any

from database_samples import checksum

from seamless_database import Database
from seamless_database.http.app import Application, create_app

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    import pytest

KEY = {"checksum": checksum("tf")}
LARGE_INFO = {"x": "x" * 200}
#: the response names the key that is no checksum
LARGE_PUT = (
    "PUT",
    json.dumps(
        {"type": "buffer_infos", "value": {checksum("tf"): LARGE_INFO, "y" * 200: LARGE_INFO}}
    ).encode(),
)
LARGE_GET = "GET", json.dumps({"type": "buffer_info", **KEY}).encode()


async def ask_in_process(
    app: Application,
    method: str,
    body: bytes,
    after_send: Callable[[], Awaitable[None]] | None = None,
) -> int:
    """Send a request to the application itself; returns the status."""
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body}

    async def send(message: Any) -> None:
        sent.append(message)
        if after_send is not None:
            await after_send()

    scope: dict[str, Any] = {"type": "http", "path": "/", "headers": [], "client": None}
    await app({**scope, "method": method}, receive, send)
    status: int = sent[0]["status"]
    return status


def test_a_large_body_leaves_neither_a_thread_nor_the_garbage_collector_disabled(
    tmp_path: Path,
) -> None:
    def parsers() -> list[str]:
        names = [thread.name for thread in threading.enumerate()]
        return [name for name in names if name.startswith("seamless-database-parser")]

    with Database(tmp_path / "seamless.db", writable=True) as database:
        app = create_app(database)
        before = parsers()
        body = b'{"type": "protocol"}' + b" " * 1_000_000
        assert asyncio.run(ask_in_process(app, "GET", body)) == 200
        assert len(parsers()) == len(before) + 1
        assert gc.isenabled()
        app.close()
        assert parsers() == before


def test_the_memory_of_a_large_response_is_given_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # each is above the whole budget, and waits until nothing else is taken
    monkeypatch.setattr("seamless_database.http.app.LARGE_RESPONSES_MEMORY", 1)
    monkeypatch.setattr("seamless_database.http.app.LARGE_RESPONSE", 100)
    monkeypatch.setattr("seamless_database.http.app.MEMORY_TIMEOUT", 0.5)
    with Database(tmp_path / "seamless.db", writable=True) as database:
        app = create_app(database)
        requests = [LARGE_PUT, LARGE_PUT, LARGE_GET, LARGE_GET]
        assert [asyncio.run(ask_in_process(app, *request)) for request in requests] == [200] * 4
        app.close()


def test_a_large_response_waits_for_memory_and_a_small_one_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seamless_database.http.app.LARGE_RESPONSES_MEMORY", 1)
    monkeypatch.setattr("seamless_database.http.app.LARGE_RESPONSE", 100)
    monkeypatch.setattr("seamless_database.http.app.MEMORY_TIMEOUT", 0.1)
    small = json.dumps({"type": "transformation", **KEY, "value": checksum("one")}).encode()

    async def ask_beside_a_slow_reader() -> list[int]:
        await ask_in_process(app, *LARGE_PUT)
        is_sent, is_read = asyncio.Event(), asyncio.Event()

        async def wait_for_reader() -> None:
            is_sent.set()
            await is_read.wait()

        slow = asyncio.create_task(ask_in_process(app, *LARGE_GET, wait_for_reader))
        await is_sent.wait()
        requests = [LARGE_GET, LARGE_PUT, ("PUT", small)]
        statuses = [await ask_in_process(app, *request) for request in requests]
        is_read.set()
        return [await slow, *statuses]

    with Database(tmp_path / "seamless.db", writable=True) as database:
        app = create_app(database)
        assert asyncio.run(ask_beside_a_slow_reader()) == [200, 503, 503, 200]
        app.close()
