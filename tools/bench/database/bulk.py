"""Part `bulk`: look-ups that come together in one request, beside SQLite that does them alone."""

from __future__ import annotations

import contextlib
import random
import statistics
from typing import TYPE_CHECKING

from tools.bench.database.baselines.sqlite import make_file, opened
from tools.bench.database.load import load, repeated
from tools.bench.database.requests import checksum, get_many, put_info
from tools.bench.database.servers import scratch, sides_of
from tools.bench.database.workloads import CONNECTIONS
from tools.bench.free_table import Figure, FreeTable
from tools.bench.rounds import Measured

if TYPE_CHECKING:
    from pathlib import Path

    from tools.bench.settings import Plan

#: request type -> how many rows of its kind are in the file
KINDS = {"transformations": 100_000, "buffer_infos": 10_000}
AT_ONCE = 10_000
REQUESTS, QUICK_REQUESTS = 10, 3
DISTINCT = 4
SEED = 2026
WANTED = 100_000
COSTS = ("processor, a look-up", "waiting for a core")
NOTE = f"""\
{AT_ONCE:,} random checksums a request, all of them there. Raw SQLite looks the same results up
one by one. The published server has no such requests."""


def run(plan: Plan) -> list[FreeTable]:
    """Measure both types of request, over one connection and over two."""
    sheet = FreeTable(
        "Look-ups a second, many in a request",
        ["workload", "look-ups", "raw SQLite", "a request", *COSTS],
        notes=[NOTE],
    )
    count = QUICK_REQUESTS if plan.quick else REQUESTS
    with contextlib.ExitStack() as stack:
        servers = {}
        for side, start in sides_of(plan, published=False).items():
            file = stack.enter_context(scratch()) / "seamless.db"
            raw = _raw(file, plan.rounds)
            servers[side] = stack.enter_context(start(file))
            infos = KINDS["buffer_infos"]
            stored = repeated([put_info(n) for n in range(infos)], infos)
            load(servers[side].port, stored, CONNECTIONS).all_answered(200)
        for kind, rows in KINDS.items():
            numbers = random.Random(SEED)
            asked = [get_many(kind, numbers.sample(range(rows), AT_ONCE)) for _ in range(DISTINCT)]
            for connections, name in ((1, "one connection"), (2, "two connections")):
                sides = {side: Measured([server]) for side, server in servers.items()}
                for _ in range(plan.rounds):
                    for measured in sides.values():
                        measured.round(repeated(asked, count), connections)
                for side, measured in sides.items():
                    sheet.add(
                        f"{kind}, {name}" if len(sides) == 1 else f"{side}, {kind}, {name}",
                        Figure(measured.per_second() * AT_ONCE, "/s", at_least=WANTED),
                        Figure(raw, "/s") if kind == "transformations" else None,
                        Figure(measured.milliseconds(), "ms"),
                        Figure(measured.microseconds() / AT_ONCE, "µs"),
                        Figure(measured.waiting(), "%"),
                    )
    return [sheet]


def _raw(file: Path, rounds: int) -> float:
    """Fill a file, and return the look-ups a second of SQLite alone."""
    make_file(file)
    rows = KINDS["transformations"]
    with opened(file) as raw:
        raw.writes(range(rows), rows)
        keys = [checksum(n) for n in random.Random(SEED).sample(range(rows), AT_ONCE)]
        return statistics.median(raw.look_ups(keys) for _ in range(rounds))
