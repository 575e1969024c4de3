"""Receiving bodies: the size of each, and the number of large ones in memory."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from starlette.requests import ClientDisconnect

from seamless_database.errors import RequestTooLargeError, UnavailableError
from seamless_database.http import request_body
from seamless_database.http.idle import IdleTracker
from seamless_database.http.request_body import LARGE_BODY, BodyReader

if TYPE_CHECKING:
    from collections.abc import Iterable

LARGE = b"x" * (LARGE_BODY + 1)
DISCONNECT = {"type": "http.disconnect"}


class Chunks:
    """The ASGI messages of a body in chunks; None is a client that disconnects."""

    def __init__(self, *chunks: bytes | None) -> None:
        self._chunks = list(chunks)

    async def __call__(self) -> dict[str, Any]:
        chunk = self._chunks.pop(0)
        if chunk is None:
            return DISCONNECT
        return {"type": "http.request", "body": chunk, "more_body": bool(self._chunks)}

    @property
    def left(self) -> int:
        return len(self._chunks)


@pytest.fixture
def two_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_body, "MAX_LARGE_BODIES", 2)
    monkeypatch.setattr(request_body, "SLOT_TIMEOUT", 0.05)


def ones(count: int) -> Iterable[bytes]:
    return [b"1"] * count


def test_a_message_without_any_field_is_the_end_of_the_body() -> None:
    async def receive() -> dict[str, Any]:
        return {"type": "http.request"}

    assert asyncio.run(BodyReader(10, IdleTracker()).receive(receive)) == b""


def test_a_body_of_the_largest_size_is_accepted_and_one_byte_more_is_rejected() -> None:
    async def run() -> None:
        reader = BodyReader(10, IdleTracker())
        assert await reader.receive(Chunks(b"12345", b"", b"67890")) == b"1234567890"
        with pytest.raises(RequestTooLargeError, match="10 bytes"):
            await reader.receive(Chunks(b"12345678901"))

    asyncio.run(run())


@pytest.mark.parametrize(("sent", "left"), [(11, 0), (20, 0), (21, 0), (22, 1), (40, 19)])
def test_a_body_that_is_too_large_is_received_up_to_twice_the_limit(sent: int, left: int) -> None:
    async def run() -> None:
        chunks = Chunks(*ones(sent))
        with pytest.raises(RequestTooLargeError):
            await BodyReader(10, IdleTracker()).receive(chunks)
        assert chunks.left == left

    asyncio.run(run())


@pytest.mark.usefixtures("two_at_a_time")
def test_large_bodies_are_bounded_in_number() -> None:
    async def run() -> None:
        reader = BodyReader(len(LARGE), IdleTracker())
        first, _ = [await reader.receive(Chunks(LARGE)) for _ in range(2)]
        for _ in range(2):
            with pytest.raises(UnavailableError, match="2 other large requests"):
                await reader.receive(Chunks(LARGE))
        reader.release(first)
        assert await reader.receive(Chunks(LARGE[:-1], LARGE[-1:])) == LARGE

    asyncio.run(run())


@pytest.mark.usefixtures("two_at_a_time")
def test_smaller_bodies_take_no_slot() -> None:
    async def run() -> None:
        reader = BodyReader(len(LARGE), IdleTracker())
        for _ in range(5):
            assert await reader.receive(Chunks(LARGE[:-1])) == LARGE[:-1]
        reader.release(LARGE[:-1])
        for _ in range(2):
            await reader.receive(Chunks(LARGE))
        with pytest.raises(UnavailableError):
            await reader.receive(Chunks(LARGE))

    asyncio.run(run())


@pytest.mark.usefixtures("two_at_a_time")
@pytest.mark.parametrize("chunks", [(LARGE, None), (LARGE, LARGE)])
def test_a_rejected_large_body_frees_its_slot(chunks: tuple[bytes | None, ...]) -> None:
    async def run() -> None:
        reader = BodyReader(len(LARGE), IdleTracker())
        for _ in range(3):
            with pytest.raises((ClientDisconnect, RequestTooLargeError)):
                await reader.receive(Chunks(*chunks))
        for _ in range(2):
            await reader.receive(Chunks(LARGE))
        with pytest.raises(UnavailableError):
            await reader.receive(Chunks(LARGE))

    asyncio.run(run())


@pytest.mark.usefixtures("two_at_a_time")
@pytest.mark.parametrize("chunk", [b"1", LARGE])
def test_a_request_that_waits_for_a_slot_or_its_client_can_be_cancelled(chunk: bytes) -> None:
    async def run() -> None:
        idle = IdleTracker()
        reader = BodyReader(len(LARGE), idle)
        for _ in range(2):
            await reader.receive(Chunks(LARGE))

        async def receive() -> dict[str, Any]:
            if chunks:
                return {"type": "http.request", "body": chunks.pop(), "more_body": True}
            message: dict[str, Any] = await asyncio.get_running_loop().create_future()
            return message

        chunks = [chunk]
        waiting = asyncio.create_task(reader.receive(receive))
        await asyncio.sleep(0.01)
        idle.cancel_incomplete()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    asyncio.run(run())
