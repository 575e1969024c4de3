"""Part `stress`: reads beside 64 writers, and the longest write during long stress.

Writers and readers are separate generators, in processes of their own; the stress lasts as long
as `--seconds` says.
"""

from __future__ import annotations

import itertools
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import TYPE_CHECKING

from tools.bench.database.load import Result, load, repeated
from tools.bench.database.requests import get, put_result
from tools.bench.database.servers import scratch, sides_of
from tools.bench.free_table import Cell, Figure, FreeTable

if TYPE_CHECKING:
    from tools.bench.database.servers import Server
    from tools.bench.settings import Plan

WRITERS, KEYS = 64, 1_000
#: readers that send the next request at once, and one that pauses between its requests
MANY, ONE = 30, 1
PAUSE = 0.002  # seconds
SECONDS, QUICK_SECONDS = 20.0, 1.5
#: how long reads are measured without stress, and how long in one, at most
READING = 5.0
#: how long the writers write before the stress counts
RISING = 0.5
#: the longest that a write may take, in milliseconds
WORST = 250
READS = [get("transformation", number) for number in range(KEYS)]
HEADS = ["half", "99 %", "longest"]
NOTE = f"""\
Times of requests: of half of them, of 99 % at most, and the longest. {MANY} readers send
the next request at once; one pauses {1e3 * PAUSE:g} ms before it. {WRITERS} writers store new
results one after the other; `--seconds 300` makes the writing last five minutes."""


def write(port: int, first: int, seconds: float) -> Result:
    """Store new results; runs in a process of its own."""
    return load(port, map(put_result, itertools.count(first)), WRITERS, seconds=seconds)


def read(port: int, readers: int, seconds: float) -> Result:
    """Look results up that are there."""
    if readers == ONE:
        return load(port, map(_after_a_rest, itertools.cycle(READS)), ONE, seconds=seconds)
    return load(port, itertools.cycle(READS), readers, seconds=seconds)


def _after_a_rest(request: bytes) -> bytes:
    time.sleep(PAUSE)
    return request


def run(plan: Plan, seconds: float | None = None) -> list[FreeTable]:
    """Measure ours, then the published server."""
    seconds = seconds or plan.seconds or (QUICK_SECONDS if plan.quick else SECONDS)
    sheet = FreeTable(
        f"Reads beside write stress, and write stress for {seconds:g} s",
        ["server", "workload", *HEADS, "99 % beside that without stress", "a second"],
        notes=[NOTE],
    )
    for side, start in sides_of(plan).items():
        with scratch() as folder, start(folder / "seamless.db") as server:
            stored = repeated([put_result(n) for n in range(KEYS)], KEYS)
            load(server.port, stored, MANY).all_answered(200)
            _measure(sheet, side, server, seconds)
    return [sheet]


def _measure(sheet: FreeTable, side: str, server: Server, seconds: float) -> None:
    reading = min(READING, seconds)
    own = side == "ours"
    first = itertools.count(10**7, 10**8)
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        # so that starting it is no part of the stress
        pool.submit(read, server.port, ONE, 0.0).result()
        for readers, name in ((MANY, f"{MANY} readers"), (ONE, "one reader with pauses")):
            calm = read(server.port, readers, reading)
            writes = pool.submit(write, server.port, next(first), reading + 2 * RISING)
            time.sleep(RISING)
            stress = read(server.port, readers, reading)
            _add(sheet, side, f"{name}, no stress", calm)
            _add(sheet, side, f"{name}, stress", stress, calm, most=2 if own else None)
            _add(sheet, side, f"{WRITERS} writers beside {name}", writes.result())
        writes = pool.submit(write, server.port, next(first), seconds)
        _add(sheet, side, f"{WRITERS} writers", writes.result(), worst=WORST if own else None)


def _add(
    sheet: FreeTable,
    side: str,
    name: str,
    result: Result,
    calm: Result | None = None,
    *,
    most: float | None = None,
    worst: float | None = None,
) -> None:
    result.all_answered(200)
    times = [1e3 * result.percentile(percent) for percent in (50, 99, 100)]
    ratio: Cell = None
    if calm is not None:
        ratio = Figure(times[1] / (1e3 * calm.percentile(99)), "×", at_most=most)
    sheet.add(
        side,
        name,
        Figure(times[0], "ms"),
        Figure(times[1], "ms"),
        Figure(times[2], "ms", at_most=worst),
        ratio,
        Figure(result.per_second, "/s"),
    )
