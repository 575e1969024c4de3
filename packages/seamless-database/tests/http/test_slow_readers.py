from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from seamless_database.http.slow_readers import ReadingProgress

if TYPE_CHECKING:
    from seamless_database.http.request_cycle import RequestCycle


@dataclass
class Request:
    """The part of a request cycle that is sampled."""

    unsent_length: int
    response_started: bool = True
    response_complete: bool = False


class Client:
    """A client whose progress is sampled."""

    def __init__(self, size: int) -> None:
        self.progress = ReadingProgress(0, timeout=10, min_rate=100)
        self.request = Request(size)

    def sample(self, now: float, left: int, unsent: int) -> bool:
        """Whether the client is too slow after a sample: the time, and the bytes of the response
        that the application, and the connection, have not sent yet.
        """
        self.request.unsent_length = left
        self.progress.sample(now, unsent, cast("RequestCycle", self.request))
        return self.progress.is_too_slow(now)


def test_a_client_that_reads_nothing_is_too_slow_after_the_timeout() -> None:
    client = Client(10_000)
    assert [client.sample(now, 9_000, 1_000) for now in (1, 5, 11, 12)] == [False] * 3 + [True]


def test_a_client_that_reads_fast_enough_is_never_too_slow() -> None:
    client = Client(1_000_000)
    # as much is unsent at each sample
    assert not any(client.sample(now, 1_000_000 - 101 * now, 1_000) for now in range(0, 9_000, 9))


def test_a_client_that_reads_below_the_rate_is_too_slow_after_the_timeout() -> None:
    client = Client(1_000_000)
    samples = [client.sample(now, 1_000_000 - 50 * now, 1_000) for now in range(0, 60, 5)]
    assert samples == [False] * 5 + [True] * 7


def test_each_response_is_judged_by_itself() -> None:
    client = Client(1_000)
    assert not client.sample(9, 500, 100)
    client.request = Request(1_000_000)
    assert not client.sample(15, 1_000_000, 100)
    assert client.sample(30, 1_000_000, 100)


def test_a_client_that_has_read_everything_is_not_slow() -> None:
    progress = ReadingProgress(0, timeout=10, min_rate=100)
    for now in (0, 100, 1_000):
        progress.sample(now, 0, None)
        assert not progress.is_too_slow(now)
    progress.sample(1_001, 5, None)
    assert not progress.is_too_slow(1_001)
    progress.sample(1_020, 5, None)
    assert progress.is_too_slow(1_020)
