"""Part `memory`: how soon a server answers, and its memory at first and after many requests."""

from __future__ import annotations

import statistics
from itertools import chain, islice
from typing import TYPE_CHECKING

from tools.bench.database.load import load, repeated
from tools.bench.database.requests import get, put_result
from tools.bench.database.servers import scratch, sides_of
from tools.bench.database.workloads import CONNECTIONS
from tools.bench.free_table import Cell, Figure, FreeTable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tools.bench.database.servers import Server
    from tools.bench.settings import Plan

#: a write comes after so many look-ups, one in ten of which is in vain
READS = 19
KEYS = 1_000
#: requests after which memory is measured; the published server is not asked for the most
POINTS, QUICK_POINTS = (100_000, 1_000_000), (5_000, 20_000)
MEBIBYTE = 2**20
STARTS = 5
#: seconds to the first response, and MiB of an idle server, that are wanted at most
SOON, SMALL = 0.4, 70
NOTE = f"""\
Memory is all that is resident, and in brackets what of it comes from no file. Of {READS + 1}
requests, {READS} are look-ups and one stores a new result."""


def run(plan: Plan, points: tuple[int, ...] | None = None) -> list[FreeTable]:
    """Start every server often, alternately; then ask one of each for long."""
    points = points or (QUICK_POINTS if plan.quick else POINTS)
    points = points[:1] if plan.against else points
    sides = sides_of(plan)
    heads = ["to the first response", "idle", *(f"after {point:,} requests" for point in points)]
    sheet = FreeTable(
        "Start and memory", ["server", *heads, "growth after the first"], notes=[NOTE]
    )
    starts: dict[str, list[float]] = {side: [] for side in sides}
    with scratch() as folder:
        for _ in range(STARTS):
            for side, start in sides.items():
                with start(folder / f"{side}.db") as server:
                    starts[side].append(server.ready_after)
        for side, start in sides.items():
            own = side == "ours"
            soon = Figure(statistics.median(starts[side]), "s", at_most=SOON if own else None)
            with start(folder / f"{side}.db") as server:
                idle = _resident(server, at_most=SMALL if own else None)
                later = _after(server, points if own else points[:1])
            grown = later[-1].value - later[0].value if len(later) > 1 else None
            cells: list[Cell] = [*later, *[None] * (len(points) - len(later))]
            growth = None if grown is None else Figure(grown, "MiB")
            sheet.add(side, soon, idle, *cells, growth)
    return [sheet]


def _after(server: Server, points: tuple[int, ...]) -> list[Figure]:
    """Return the memory after so many requests."""
    stored = repeated([put_result(n) for n in range(KEYS)], KEYS)
    load(server.port, stored, CONNECTIONS).all_answered(200)
    requests, figures, sent = _mixed(), [], 0
    for point in points:
        load(server.port, islice(requests, point - sent), CONNECTIONS).all_answered(200, 404)
        figures.append(_resident(server))
        sent = point
    return figures


def _mixed() -> Iterator[bytes]:
    """Give look-ups and writes without end."""
    hits = [get("transformation", number) for number in range(KEYS)]
    misses = [get("transformation", -number) for number in range(1, KEYS // 9)]
    reads = repeated([*hits, *misses], 10**9)
    number = KEYS
    while True:
        yield from chain(islice(reads, READS), [put_result(number)])
        number += 1


def _resident(server: Server, at_most: float | None = None) -> Figure:
    memory = server.memory()
    beside = f"{memory.anonymous / MEBIBYTE:.1f}"
    return Figure(memory.resident / MEBIBYTE, "MiB", at_most=at_most, beside=beside)
