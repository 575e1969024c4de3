"""A connection that knows the short way keeps its answers in order, whichever way they go."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from fast_path_wire import HEAD, PUT, Echo, Wire, until

from seamless_database.http.limits import LimitedHttpProtocol

if TYPE_CHECKING:
    pass


def test_what_came_before_goes_the_short_way() -> None:
    async def run() -> None:
        echo = Echo()
        async with Wire(echo) as wire:
            texts = await wire.talk(HEAD + b"one", HEAD + b"two", HEAD + b"six")
            assert (wire.called, echo.asked, texts) == (
                1,
                [b"two", b"six"],
                [b"app", b"two", b"six"],
            )

    asyncio.run(run())


def test_what_is_left_goes_the_ordinary_way() -> None:
    async def run() -> None:
        for head in (HEAD, PUT):
            echo = Echo()
            async with Wire(echo) as wire:
                assert await wire.talk(head + b"one", head + b"no!", head + b"no!") == [b"app"] * 3
                assert (wire.called, echo.asked) == (3, [b"no!"] * 2)

    asyncio.run(run())


def test_a_write_is_answered_when_it_is_told() -> None:
    async def run() -> None:
        echo = Echo()
        async with Wire(echo) as wire:
            await wire.talk(PUT + b"one")
            wire.send(PUT + b"two")
            await until(lambda: echo.asked)
            echo.tell(409, b"two")
            assert (await wire.answer()).startswith(b"HTTP/1.1 409 Conflict\r\n")
            assert wire.called == 1

    asyncio.run(run())


def test_what_follows_a_write_waits_for_its_answer() -> None:
    async def run() -> None:
        echo = Echo()
        async with Wire(echo) as wire:
            await wire.talk(PUT + b"one", HEAD + b"one")
            wire.send(PUT + b"two")
            await until(lambda: echo.asked)
            wire.send(HEAD + b"six")
            (connection,) = wire.state.connections
            assert isinstance(connection, LimitedHttpProtocol)
            await until(lambda: connection.held_bytes)
            echo.tell(200, b"two")
            assert [(await wire.answer())[-3:] for _ in range(2)] == [b"two", b"app"]

    asyncio.run(run())


def test_a_server_that_ends_waits_for_a_write_and_hangs_up() -> None:
    async def run() -> None:
        echo = Echo()
        async with Wire(echo) as wire:
            await wire.talk(PUT + b"one")
            wire.send(PUT + b"two")
            await until(lambda: echo.asked)
            (connection,) = wire.state.connections
            connection.shutdown()
            echo.tell(200, b"two")
            assert b"\r\nconnection: close\r\n" in await wire.answer()
            assert await wire.end() == b""

    asyncio.run(run())


def test_nonsense_behind_a_write_is_refused_after_its_answer() -> None:
    async def run() -> None:
        echo = Echo()
        async with Wire(echo) as wire:
            await wire.talk(PUT + b"one")
            wire.send(PUT + b"two")
            await until(lambda: echo.asked)
            wire.send(b"complete nonsense\r\n\r\n")
            await asyncio.sleep(0.05)
            echo.tell(200, b"two")
            assert (await wire.answer())[-3:] == b"two"
            assert (await wire.end()).startswith(b"HTTP/1.1 400 ")

    asyncio.run(run())


def test_a_client_that_goes_while_it_waits_is_no_failure() -> None:
    async def run() -> None:
        echo = Echo()
        async with Wire(echo) as wire:
            await wire.talk(PUT + b"one")
            wire.send(PUT + b"two")
            await until(lambda: echo.asked)
            await wire.hang_up()
            echo.tell(200, b"two")

    asyncio.run(run())


def test_a_client_that_goes_with_more_behind_its_write_is_no_failure() -> None:
    async def run() -> None:
        echo = Echo()
        async with Wire(echo) as wire:
            await wire.talk(PUT + b"one")
            wire.send(PUT + b"two")
            await until(lambda: echo.asked)
            wire.send(HEAD + b"six")
            (connection,) = wire.state.connections
            assert isinstance(connection, LimitedHttpProtocol)
            await until(lambda: connection.held_bytes)
            connection.transport.abort()
            await until(lambda: not wire.state.connections)
            echo.tell(200, b"two")

    # the loop of the server is the one that minds
    pytest.importorskip("uvloop").run(run())


@pytest.mark.parametrize("start", [b"G", b"GET / HTTP/1.1\r\nHost", HEAD, HEAD + b"t", b"\r\n"])
def test_a_request_may_begin_behind_another(start: bytes) -> None:
    async def run() -> None:
        echo = Echo()
        async with Wire(echo) as wire:
            texts = await wire.talk(HEAD + b"one" + start, (HEAD + b"two").removeprefix(start))
            assert (texts, wire.called, echo.asked) == ([b"app", b"app"], 2, [])

    asyncio.run(run())


def test_nonsense_may_follow_the_first_request() -> None:
    async def run() -> None:
        async with Wire(Echo()) as wire:
            wire.send(HEAD + b"one" + b"\0")
            assert (await wire.answer())[-3:] == b"app"
            assert await wire.end() == b""

    asyncio.run(run())


def test_the_wish_for_an_upgrade_is_ignored() -> None:
    async def run() -> None:
        echo = Echo()
        async with Wire(echo) as wire:
            await wire.talk(HEAD + b"one")
            upgrade = HEAD.replace(b"Host: x", b"Connection: upgrade\r\nUpgrade: h2c")
            # the body comes later, and looks like a request
            wire.send(upgrade)
            await asyncio.sleep(0.05)
            texts = await wire.talk(b"GET", HEAD + b"two", upgrade + b"one" + upgrade + b"one")
            texts.append((await wire.answer())[-3:])
            assert (texts, echo.asked) == ([b"app", b"two", b"app", b"app"], [b"two"])

    asyncio.run(run())


def test_an_answer_that_is_too_large_goes_the_ordinary_way_and_before_what_follows() -> None:
    async def run() -> None:
        echo = Echo(at_once=False)
        async with Wire(echo) as wire:
            await wire.talk(HEAD + b"one")
            wire.send(HEAD + b"two")
            await until(lambda: echo.asked)
            wire.send(PUT + b"six")
            (connection,) = wire.state.connections
            assert isinstance(connection, LimitedHttpProtocol)
            await until(lambda: connection.held_bytes)
            echo.again()
            assert [(await wire.answer())[-3:] for _ in range(2)] == [b"app", b"app"]
            assert (wire.called, connection.held_bytes) == (3, 0)

    asyncio.run(run())
