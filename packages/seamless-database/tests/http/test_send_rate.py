from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from seamless_database.http.send_rate import Progress

if TYPE_CHECKING:
    from uvicorn.protocols.http.httptools_impl import RequestResponseCycle


@dataclass
class Request:
    """What is looked at in a request of uvicorn."""

    expected_content_length: int
    response_started: bool = True
    response_complete: bool = False


class Client:
    """One whose progress is looked at; seconds and bytes are what each look finds."""

    def __init__(self, size: int) -> None:
        self.progress = Progress(0, patience=10, pace=100)
        self.request = Request(size)

    def look(self, now: float, left: int, unsent: int) -> bool:
        self.request.expected_content_length = left
        self.progress.note(now, unsent, cast("RequestResponseCycle", self.request))
        return self.progress.is_too_slow(now)


def test_a_client_that_takes_nothing_is_too_slow_in_the_end() -> None:
    client = Client(10_000)
    assert [client.look(now, 9_000, 1_000) for now in (1, 5, 11, 12)] == [False] * 3 + [True]


def test_a_client_that_takes_enough_is_never_too_slow() -> None:
    client = Client(1_000_000)
    # as much is unsent at each look
    assert not any(client.look(now, 1_000_000 - 101 * now, 1_000) for now in range(0, 9_000, 9))


def test_a_client_that_takes_too_little_is_too_slow_in_the_end() -> None:
    client = Client(1_000_000)
    looks = [client.look(now, 1_000_000 - 50 * now, 1_000) for now in range(0, 60, 5)]
    assert looks == [False] * 5 + [True] * 7


def test_each_answer_is_looked_at_on_its_own() -> None:
    client = Client(1_000)
    assert not client.look(9, 500, 100)
    client.request = Request(1_000_000)
    assert not client.look(15, 1_000_000, 100)
    assert client.look(30, 1_000_000, 100)


def test_without_anything_unsent_nobody_is_slow() -> None:
    progress = Progress(0, patience=10, pace=100)
    for now in (0, 100, 1_000):
        progress.note(now, 0, None)
        assert not progress.is_too_slow(now)
    progress.note(1_001, 5, None)
    assert not progress.is_too_slow(1_001)
    progress.note(1_020, 5, None)
    assert progress.is_too_slow(1_020)
