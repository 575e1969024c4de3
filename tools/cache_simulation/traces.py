"""Requests to a cache, one after the other: made up from a seed, or recorded from real runs.

A trace file has a line for each request: milliseconds since the first one, a number for the
buffer, its size in bytes, and the microseconds that it takes to have it when it is not there.
"""

from __future__ import annotations

import csv
import itertools
import math
import random
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

FOLDER = Path(__file__).with_name("recorded_traces")


class Request(NamedTuple):
    """A buffer is requested at a time; having it otherwise than from a cache takes seconds."""

    at: float
    key: int
    size: int
    seconds: float


class Trace(NamedTuple):
    """Requests, and the part of all distinct bytes that a cache may hold of them."""

    requests: list[Request]
    share: float

    @property
    def capacity(self) -> int:
        """The cap, in bytes."""
        sizes = {request.key: request.size for request in self.requests}
        return int(sum(sizes.values()) * self.share)


def buffers(rng: random.Random) -> Callable[[int], tuple[int, float]]:
    """Return a function that returns size and seconds of a buffer, the same at each call.

    Sizes are log-normal around 300 kB and reach 200 MB. Of five buffers, two can be downloaded
    at 100 MB/s, and three have to be computed, half of them in less than a second.
    """
    known: dict[int, tuple[int, float]] = {}

    def describe(key: int) -> tuple[int, float]:
        if key not in known:
            size = 100 + int(min(2e8, math.exp(rng.gauss(math.log(3e5), 2))))
            downloaded = rng.random() < 0.4
            computing = min(3600.0, math.exp(rng.gauss(0, 1.7)))
            known[key] = (size, 0.01 + size / 1e8 if downloaded else computing)
        return known[key]

    return describe


def _timed(keys: Iterable[int], rng: random.Random, per_second: float = 2.0) -> list[Request]:
    describe, at = buffers(rng), 0.0
    requests = []
    for key in keys:
        at += rng.expovariate(per_second)
        requests.append(Request(at, key, *describe(key)))
    return requests


def _popular(rng: random.Random, count: int, length: int, exponent: float) -> list[int]:
    weights = [1 / (rank + 1) ** exponent for rank in range(count)]
    return rng.choices(range(count), weights, k=length)


def zipf(length: int, seed: int) -> list[Request]:
    """Some buffers are wanted much more often than others."""
    rng = random.Random(seed)
    return _timed(_popular(rng, length // 7, length, 0.9), rng)


def scan(length: int, seed: int) -> list[Request]:
    """Popular buffers, and every now and then a long row of buffers that are wanted once."""
    rng = random.Random(seed)
    popular = iter(_popular(rng, max(1, length // 40), length, 0.7))
    once, run = itertools.count(length), length // 20
    rounds = ([*itertools.islice(popular, run), *itertools.islice(once, run)] for _ in range(10))
    return _timed(itertools.chain.from_iterable(rounds), rng)


def loop(length: int, seed: int) -> list[Request]:
    """All buffers in turn, over and over."""
    rng = random.Random(seed)
    count = max(1, length // 15)
    return _timed((number % count for number in range(length)), rng)


def shift(length: int, seed: int) -> list[Request]:
    """Popular buffers, but which ones they are changes four times."""
    rng = random.Random(seed)
    count = length // 7
    keys = _popular(rng, count, length, 0.9)
    return _timed((key + (5 * turn // length) * count // 2 for turn, key in enumerate(keys)), rng)


def load(path: Path) -> list[Request]:
    """Read a trace file."""
    with path.open(newline="") as file:
        rows = [tuple(map(int, row)) for row in csv.reader(file)]
    return [Request(at / 1e3, key, size, cost / 1e6) for at, key, size, cost in rows]


def save(requests: Iterable[Request], path: Path) -> None:
    """Write a trace file."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        for at, key, size, seconds in requests:
            writer.writerow([round(at * 1e3), key, size, round(seconds * 1e6)])


def traces(length: int = 20_000, seed: int = 1) -> Iterator[tuple[str, Trace]]:
    """Yield all traces by name, the recorded ones last and in full."""
    yield "zipf, tight", Trace(zipf(length, seed), 0.05)
    yield "zipf", Trace(zipf(length, seed), 0.2)
    yield "scan", Trace(scan(length, seed), 0.05)
    yield "loop, tight", Trace(loop(length, seed), 0.2)
    yield "loop", Trace(loop(length, seed), 0.5)
    yield "shift", Trace(shift(length, seed), 0.05)
    for path in sorted(FOLDER.glob("*.csv")):
        yield path.stem, Trace(load(path), 0.2)
