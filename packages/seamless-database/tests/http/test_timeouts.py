"""Limits of one connection, up to the last byte and second: the test sets the clock."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

import pytest
from http_connection import Conversation, ScriptedApplication, conversation, respond

from seamless_database.http.limits import LINGER_SECONDS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.types import Receive, Scope, Send

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
CHUNKED = b"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
HEAD_SIZE = 64 * 1024


async def answer_at_once(_scope: Scope, _receive: Receive, send: Send) -> None:
    await respond(send, b"OK")


@contextlib.asynccontextmanager
async def limited(app: Any = answer_at_once, **limits: Any) -> AsyncIterator[Conversation]:
    values = {"request_timeout": 10.0, "min_rate": 1, "idle_timeout": 20.0, **limits}
    async with conversation(app, **values) as client:
        yield client


async def ask(client: Conversation, message: bytes = GET) -> None:
    client.send(message)
    for _ in range(2):
        await client.read_until(b"OK")


def is_open(client: Conversation) -> bool:
    return not client.protocol.transport.is_closing()


def test_a_request_gets_the_timeout_and_more_for_each_byte() -> None:
    async def run() -> None:
        async with limited() as client:
            await ask(client)
            client.check_at(15)
            client.send(b"G")
            await client.settle()
            client.check_at(20)
            client.send(b"E")
            await client.settle()
            # since 15: ten seconds, and one for each of two bytes
            client.check_at(27)
            assert client.protocol.held_bytes == 2
            client.check_at(27.5)
            assert (await client.read_to_end()).startswith(b"HTTP/1.1 408 ")

    asyncio.run(run())


def test_time_in_which_the_server_does_not_read_is_not_counted() -> None:
    async def run() -> None:
        allowed = asyncio.Event()

        async def app(_scope: Scope, receive: Receive, send: Send) -> None:
            await allowed.wait()
            while (await receive())["type"] != "http.disconnect":
                pass

        async with limited(app, min_rate=10**9) as client:
            client.send(b"PUT / HTTP/1.1\r\nContent-Length: 900000\r\n\r\n" + b"x" * 800_000)
            await client.settle()
            for now in (5, 6, 1000):
                client.check_at(now)
            allowed.set()
            await client.settle()
            client.check_at(1009)
            assert is_open(client)
            client.check_at(1011)
            assert (await client.read_to_end()).startswith(b"HTTP/1.1 408 ")

    asyncio.run(run())


def test_an_idle_connection_is_closed_after_the_timeout_since_the_last_request() -> None:
    async def run() -> None:
        async with limited() as client:
            client.check_at(20)
            assert is_open(client)
            await ask(client)
            client.check_at(40)
            assert is_open(client)
            client.check_at(40.5)
            assert await client.read_to_end() == b""

    asyncio.run(run())


def test_a_request_in_flight_is_not_idle() -> None:
    async def run() -> None:
        app = ScriptedApplication()
        async with limited(app) as client:
            client.send(GET)
            await client.settle()
            client.check_at(1000)
            assert is_open(client)
            app.allowed.release()
            await client.read_until(b"OK")

    asyncio.run(run())


def test_a_rejected_client_has_some_seconds_to_read_the_response() -> None:
    async def run() -> None:
        async with limited() as client:
            client.check_at(3)
            client.send(b"nonsense\r\n\r\n")
            assert (await client.read_to_end()).startswith(b"HTTP/1.1 400 ")
            client.send(GET)
            await client.settle()
            client.check_at(3 + LINGER_SECONDS)
            assert is_open(client)
            client.check_at(3.5 + LINGER_SECONDS)
            assert not is_open(client)

    asyncio.run(run())


def test_a_client_that_reads_nothing_is_disconnected_after_the_timeout() -> None:
    async def large(_scope: Scope, _receive: Receive, send: Send) -> None:
        with contextlib.suppress(ConnectionError):
            await respond(send, b"x" * 30_000_000)

    async def run() -> None:
        async with limited(large) as client:
            # the stream of the client stops reading by itself
            client.send(GET)
            await client.settle()
            client.check_at(1)
            assert client.protocol.active_at == 1
            assert not client.protocol.is_stalled(1 + LINGER_SECONDS)
            assert client.protocol.is_stalled(1.5 + LINGER_SECONDS)
            client.check_at(11)
            assert is_open(client)
            client.check_at(11.5)
            assert not is_open(client)

    asyncio.run(run())


def test_only_a_request_that_is_arriving_holds_memory() -> None:
    async def run() -> None:
        async with limited() as client:
            client.send(GET[:10])
            await client.settle()
            assert client.protocol.held_bytes == 10
            await ask(client, GET[10:])
            assert client.protocol.held_bytes == 0

    asyncio.run(run())


@pytest.mark.parametrize(("size", "status"), [(HEAD_SIZE, b"200"), (HEAD_SIZE + 1, b"431")])
def test_an_incomplete_head_has_the_largest_size_at_most(size: int, status: bytes) -> None:
    async def run() -> None:
        start = b"GET / HTTP/1.1\r\nX: "
        async with limited() as client:
            client.send(start.ljust(size, b"x"))
            await client.settle()
            client.send(b"\r\n\r\n")
            assert (await client.read_until(b"\r\n")).split()[1] == status

    asyncio.run(run())


@pytest.mark.parametrize(("size", "status"), [(HEAD_SIZE, b"200"), (HEAD_SIZE + 1, b"431")])
def test_the_url_and_the_headers_have_the_largest_size_at_most(size: int, status: bytes) -> None:
    async def run() -> None:
        # the size counts the URL, and of each header the name, the value and four characters
        value = b"x" * (size - len("/" + "Host: x\r\n" + "X: \r\n"))
        async with limited() as client:
            client.send(GET[:-2] + b"X: " + value + b"\r\n\r\n")
            assert (await client.read_until(b"\r\n")).split()[1] == status

    asyncio.run(run())


def test_the_start_of_a_head_that_came_with_the_request_before_it_counts() -> None:
    async def run() -> None:
        head = (GET[:-2] + b"X: ").ljust(HEAD_SIZE + 60, b"x") + b"\r\n\r\n"
        async with limited() as client:
            await ask(client, GET + head[:2000])
            client.send(head[2000:])
            assert (await client.read_until(b"\r\n")).split()[1] == b"431"

    asyncio.run(run())


@pytest.mark.parametrize(("count", "status"), [(100, b"200"), (101, b"431")])
def test_a_request_has_the_largest_number_of_headers_at_most(count: int, status: bytes) -> None:
    async def run() -> None:
        headers = b"".join(b"X%d: x\r\n" % number for number in range(count))
        async with limited() as client:
            client.send(b"GET / HTTP/1.1\r\n" + headers + b"\r\n")
            assert (await client.read_until(b"\r\n")).split()[1] == status

    asyncio.run(run())


def test_a_malformed_body_of_an_answered_request_ends_the_connection(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def run() -> None:
        async with limited() as client:
            await ask(client, CHUNKED)
            client.send(b"nonsense\r\n")
            assert await client.read_to_end() == b""

    asyncio.run(run())
    assert not caplog.records


def test_the_body_of_an_answered_request_is_dropped() -> None:
    async def run() -> None:
        length = 1_000_000
        async with limited() as client:
            head = b"PUT / HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % length
            await ask(client, head + b"x" * (length // 2))
            await ask(client, b"x" * (length // 2) + GET)

    asyncio.run(run())
