"""Request cycle: what an application receives, and what becomes of the responses it sends."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from http_connection import ScriptedApplication, conversation, respond

if TYPE_CHECKING:
    from starlette.types import Message, Receive, Scope, Send

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
CHUNKED = b"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nOK"
START: Message = {
    "type": "http.response.start", "status": 200, "headers": [(b"content-length", b"4")],
}  # fmt: skip


class Recorder:
    """An application that receives until a request has no more of a body, then answers."""

    def __init__(self) -> None:
        self.received: list[Message] = []

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        while not self.received or self.received[-1].get("more_body"):
            self.received.append(await receive())
        await respond(send, b"OK")


def test_a_client_is_told_once_to_continue() -> None:
    async def run() -> None:
        app = Recorder()
        async with conversation(app) as client:
            client.send(CHUNKED[:-2] + b"Expect: 100-continue\r\n\r\n")
            assert await client.read_until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
            for count, part in enumerate((b"1\r\na\r\n", b"1\r\nb\r\n"), start=1):
                client.send(part)
                await client.settle()
                assert len(app.received) == count
            client.send(b"0\r\n\r\n")
            assert await client.read_until(b"OK") + await client.read_until(b"OK") == OK
        assert b"".join(message["body"] for message in app.received) == b"ab"

    asyncio.run(run())


def test_a_client_is_not_told_to_continue_after_the_response_has_started() -> None:
    async def app(_scope: Scope, receive: Receive, send: Send) -> None:
        await send(START)
        await send({"type": "http.response.body", "body": b"ab", "more_body": True})
        await receive()
        await send({"type": "http.response.body", "body": b"cd"})

    async def run() -> None:
        async with conversation(app) as client:
            client.send(CHUNKED[:-2] + b"Expect: 100-continue\r\n\r\n")
            assert (await client.read_until(b"ab")).startswith(b"HTTP/1.1 200 OK")
            client.send(b"1\r\na\r\n0\r\n\r\n")
            assert await client.read_until(b"cd") == b"cd"

    asyncio.run(run())


@pytest.mark.parametrize("parts", [0, 1])
def test_an_application_that_fails_answers_500_unless_its_response_has_started(
    parts: int, caplog: pytest.LogCaptureFixture
) -> None:
    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send(START)
        for _ in range(parts):
            await send({"type": "http.response.body", "body": b"ab", "more_body": True})
        raise ZeroDivisionError

    async def run() -> bytes:
        async with conversation(app) as client:
            client.send(GET)
            return await client.read_to_end()

    received = asyncio.run(run())
    status = b"HTTP/1.1 500" if not parts else b"HTTP/1.1 200"
    assert (received[:12], received.count(b"HTTP/1.1")) == (status, 1)
    assert [type(record.exc_info and record.exc_info[1]) for record in caplog.records] == [
        ZeroDivisionError
    ]


@pytest.mark.parametrize("body", [b"abc", b"abcde"])
def test_a_response_of_another_length_than_announced_closes_the_connection(
    body: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send(START)
        await send({"type": "http.response.body", "body": body})

    async def run() -> bytes:
        async with conversation(app) as client:
            client.send(GET)
            return await client.read_to_end()

    assert asyncio.run(run()).endswith(b"\r\n\r\n" + body)
    assert "another length" in caplog.text


def test_the_end_of_a_response_and_of_a_connection_wake_the_application() -> None:
    async def run() -> None:
        waiting: list[asyncio.Future[Message]] = []

        async def app(_scope: Scope, receive: Receive, send: Send) -> None:
            assert await receive() == {"type": "http.request", "body": b"", "more_body": False}
            waiting.append(asyncio.ensure_future(receive()))
            await asyncio.sleep(0)
            if len(waiting) == 1:
                await respond(send, b"OK")
            await waiting[-1]

        async with conversation(app) as client:
            client.send(GET)
            assert await client.read_until(b"OK") + await client.read_until(b"OK") == OK
            client.send(GET)
            await client.settle()
            assert [task.done() for task in waiting] == [True, False]
            client.disconnect()
            await client.settle()
            assert [task.result() for task in waiting] == [{"type": "http.disconnect"}] * 2

    asyncio.run(run())


def test_a_malformed_body_after_the_start_of_a_response_ends_the_connection() -> None:
    async def app(_scope: Scope, receive: Receive, send: Send) -> None:
        await send(START)
        await send({"type": "http.response.body", "body": b"ab", "more_body": True})
        while (await receive())["type"] != "http.disconnect":
            pass

    async def run() -> None:
        async with conversation(app) as client:
            client.send(CHUNKED)
            await client.read_until(b"ab")
            client.send(b"nonsense\r\n")
            assert await client.read_to_end() == b""

    asyncio.run(run())


def test_a_body_that_is_not_received_holds_little_memory_and_arrives_whole() -> None:
    async def run() -> None:
        allowed, size = asyncio.Event(), 0

        async def app(_scope: Scope, receive: Receive, send: Send) -> None:
            nonlocal size
            await allowed.wait()
            more = True
            while more:
                message = await receive()
                size += len(message["body"])
                more = message["more_body"]
            await respond(send, b"OK")

        length = 8_000_000
        async with conversation(app) as client:
            client.send(b"PUT / HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % length + b"x" * length)
            await client.settle()
            assert 64 * 1024 < sum(len(cycle.body) for cycle in client.protocol._cycles) < 1_000_000
            allowed.set()
            await client.read_until(b"OK")
        assert size == length

    asyncio.run(run())


def test_pipelined_requests_wait_unparsed_and_the_client_is_not_read_meanwhile() -> None:
    async def run() -> None:
        allowed = asyncio.Semaphore(0)

        async def app(_scope: Scope, receive: Receive, send: Send) -> None:
            await receive()
            # waits for the client to disconnect, which must not make the server read on
            gone = asyncio.ensure_future(receive())
            await allowed.acquire()
            await respond(send, b"OK")
            await gone

        count, message = 2_000, GET[:-2] + b"X: " + b"x" * 2_000 + b"\r\n\r\n"
        async with conversation(app) as client:
            client.send(message * count)
            await client.settle()
            for number in range(count + 1):
                if number < 20:
                    await client.settle()
                    assert 10_000 < client.protocol.held_bytes < 300_000
                    assert len(client.protocol._cycles) < 10
                elif number == count:
                    # the connection is read again
                    client.send(GET)
                allowed.release()
                for _ in range(2):
                    await client.read_until(b"OK")

    asyncio.run(run())


def test_the_last_of_the_pipelined_requests_closes_a_connection_that_is_shut_down() -> None:
    async def run() -> None:
        app = ScriptedApplication()
        async with conversation(app) as client:
            client.send(GET * 3)
            await client.settle()
            client.protocol.shutdown()
            app.allowed.release()
            app.allowed.release()
            app.allowed.release()
            found = await client.read_to_end()
        assert found.count(b"HTTP/1.1 200 OK") == 3
        assert found.count(b"connection: close") == 1
        assert found.endswith(b"connection: close\r\n\r\nOK")

    asyncio.run(run())
