"""Fixtures: a cache of two kilobytes with a manual clock, and buffers for it."""

from __future__ import annotations

import pytest

from seamless import Buffer, Checksum
from seamless.caching.buffer_cache import BufferCache

ABSENT = Checksum("ab" * 32)


class Clock:
    """A clock that the test advances."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def cache(clock: Clock) -> BufferCache[Buffer]:
    return BufferCache(1000, 2000, clock=clock)


def buffer(size: int, fill: str = "x") -> Buffer:
    return Buffer(fill.encode() * size)


def register(cache: BufferCache[Buffer], made: Buffer) -> Checksum:
    checksum = made.get_checksum()
    cache.register(checksum, made)
    return checksum


def tempref(cache: BufferCache[Buffer], made: Buffer, *, scratch: bool = False) -> Checksum:
    cache.tempref(made.get_checksum(), buffer=made, scratch=scratch)
    return made.get_checksum()
