"""Part `bulk-writes`: writes that come together in one request, beside the same writes alone."""

from __future__ import annotations

import contextlib
import statistics
import sys
from typing import TYPE_CHECKING

from tools.bench.database.baselines import postgresql, sqlite
from tools.bench.database.load import load
from tools.bench.database.requests import put_many, put_result
from tools.bench.database.servers import scratch, sides_of
from tools.bench.database.workloads import CONNECTIONS
from tools.bench.free_table import Figure, FreeTable
from tools.bench.rounds import Measured

if TYPE_CHECKING:
    from collections.abc import Callable

    from tools.bench.database.servers import Server
    from tools.bench.settings import Plan

AT_ONCE = 1_000
REQUESTS, QUICK_REQUESTS = 10, 2
SINGLES = 1_000
#: back end -> results a second that are wanted
WANTED = {"SQLite": 20_000, "PostgreSQL": 10_000}
#: numbers of the keys of one measurement, so that no two write the same
STEP = 10**6
COST = "processor, an entry"
NOTE = f"""\
{AT_ONCE:,} new entries a request, each request committed and synced before its answer. Single
requests store results over {CONNECTIONS} connections. Raw is one process without a server:
`executemany` of results and their reverse rows, {AT_ONCE:,} in a transaction, as many in all. It
is the limit: the server also parses each entry and looks up what is stored. SQLite alone becomes
slower as the file grows, whatever its settings (`tools/bench/database/baselines/sqlite.py`)."""


def run(plan: Plan, wanted: tuple[str, ...] = tuple(WANTED)) -> list[FreeTable]:
    """Measure each type of bulk write on both back ends."""
    heads = ["entries", "single requests", "raw", "of single requests", "of raw", "a request", COST]
    sheet = FreeTable("Writes a second, many in a request", ["workload", *heads], notes=[NOTE])
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(scratch())
        if "SQLite" in wanted:
            sqlite.make_file(folder / "raw.db")
            raw = stack.enter_context(sqlite.opened(folder / "raw.db"))
            servers = {
                side: stack.enter_context(start(folder / f"{side}.db"))
                for side, start in sides_of(plan, published=False).items()
            }
            _measure(sheet, "SQLite", servers, raw.results, plan)
        if "PostgreSQL" not in wanted:
            return [sheet]
        if missing := postgresql.missing():
            sheet.notes.append(f"PostgreSQL: {' and '.join(missing)} not installed.")
            return [sheet]
        servers = {}
        for side, start in sides_of(plan, published=False).items():
            url = stack.enter_context(postgresql.running_postgresql(folder / side))
            servers[side] = stack.enter_context(start(postgresql.ours(url)))
        raw_database = stack.enter_context(postgresql.opened(url))
        _measure(sheet, "PostgreSQL", servers, raw_database.results, plan)
    return [sheet]


def _measure(
    sheet: FreeTable,
    back_end: str,
    servers: dict[str, Server],
    raw: Callable[[range, int], float],
    plan: Plan,
) -> None:
    """Measure one back end: in each round every workload, single requests, and the limit."""
    count = QUICK_REQUESTS if plan.quick else REQUESTS
    workloads = {
        f"transformations, {back_end}, one connection": ("transformations", 1),
        f"transformations, {back_end}, two connections": ("transformations", 2),
        f"metadatas, {back_end}": ("metadatas", 1),
        f"buffer_infos, {back_end}": ("buffer_infos", 1),
    }
    measured = {
        name: {side: Measured([server]) for side, server in servers.items()} for name in workloads
    }
    singles: dict[str, list[float]] = {side: [] for side in servers}
    raws = []
    steps = iter(range(0, sys.maxsize, STEP))
    for _ in range(plan.rounds):
        for name, (kind, connections) in workloads.items():
            first = next(steps)
            starts = range(first, first + count * AT_ONCE, AT_ONCE)
            bodies = [put_many(kind, range(start, start + AT_ONCE)) for start in starts]
            for one in measured[name].values():
                one.round(iter(bodies), connections)
            if kind != "buffer_infos":
                first = next(steps)
                raws.append(raw(range(first, first + count * AT_ONCE), AT_ONCE))
        first = next(steps)
        alone = [put_result(number) for number in range(first, first + SINGLES)]
        for side, server in servers.items():
            result = load(server.port, iter(alone), CONNECTIONS).all_answered(200)
            singles[side].append(result.per_second)
    limit = statistics.median(raws)
    for name, (kind, _) in workloads.items():
        is_result = kind == "transformations"
        for side, one in measured[name].items():
            single, rate = statistics.median(singles[side]), one.per_second() * AT_ONCE
            sheet.add(
                name if len(servers) == 1 else f"{side}, {name}",
                Figure(rate, "/s", at_least=WANTED[back_end] if is_result else None),
                Figure(single, "/s") if is_result else None,
                Figure(limit, "/s") if is_result else None,
                Figure(rate / single, "×") if is_result else None,
                Figure(100 * rate / limit, "%") if is_result else None,
                Figure(one.milliseconds(), "ms"),
                Figure(one.microseconds() / AT_ONCE, "µs"),
            )
