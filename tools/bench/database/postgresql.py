"""Part `postgresql`: the same service on PostgreSQL, one and two replicas, beside SQLite."""

from __future__ import annotations

import contextlib
import statistics
from typing import TYPE_CHECKING

from tools.bench.database.baselines import postgresql
from tools.bench.database.load import load
from tools.bench.database.requests import checksum, put_record
from tools.bench.database.servers import scratch, sides_of
from tools.bench.database.workloads import CONNECTIONS, QUICK, WORKLOADS, Amount
from tools.bench.free_table import Figure, FreeTable
from tools.bench.rounds import Measured

if TYPE_CHECKING:
    from pathlib import Path

    from tools.bench.database.baselines.postgresql import RawPostgreSQL
    from tools.bench.database.servers import Server, Start
    from tools.bench.database.workloads import Workload
    from tools.bench.settings import Plan

#: what the pipeline sends at once when nothing keeps it from doing so
PIPELINE = 100
#: workload -> requests a second that are wanted of one replica
WANTED = {"GET result, hit": 18_000, "PUT result": 9_000}
SQLITE, ONE, TWO, RAW = "SQLite", "PostgreSQL", "PostgreSQL, two replicas", "raw pipeline"
NOTE = f"""\
PostgreSQL runs on this machine, as it comes, and syncs every commit; it shares the cores with the
replicas and the generator. The raw pipeline is psycopg in one process without a server, {PIPELINE}
look-ups at a time; its writes are synced one by one beside one connection, and by {CONNECTIONS}
beside {CONNECTIONS}. HTTP alone takes most of the processor time of a replica, as on SQLite;
a look-up adds a thread and its share of a round trip. The code of the pipeline is
`tools/bench/database/baselines/postgresql.py`."""


def run(plan: Plan) -> list[FreeTable]:
    """Measure the service on both back ends alternately."""
    heads = [SQLITE, ONE, TWO, RAW, "of SQLite", "two beside one", "of raw pipeline"]
    sheet = FreeTable("Requests a second on PostgreSQL", ["workload", *heads], notes=[NOTE])
    if missing := postgresql.missing():
        sheet.notes = [f"Not measured: {' and '.join(missing)} not installed."]
        return [sheet]
    amount = QUICK if plan.quick else Amount(reads=4_000, writes=1_000)
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(scratch())
        groups = {}
        for side, start in sides_of(plan, published=False).items():
            url = stack.enter_context(postgresql.running_postgresql(folder / side))
            groups[side] = _servers(stack, start, folder / f"{side}.db", url)
            for servers in (groups[side][SQLITE], groups[side][ONE]):
                records = iter([put_record(number) for number in range(amount.keys)])
                load(servers[0].port, records, CONNECTIONS).all_answered(200)
        raw = stack.enter_context(postgresql.opened(url))
        for name, workload in WORKLOADS.items():
            measured = {
                side: {kind: Measured(servers) for kind, servers in group.items()}
                for side, group in groups.items()
            }
            raws = []
            for round_ in range(plan.rounds):
                for turn, kind in enumerate((SQLITE, ONE, TWO)):
                    for group in measured.values():
                        # one and two replicas write to the same tables, so never the same keys
                        requests = workload.requests(round_ + turn * plan.rounds, amount)
                        group[kind].round(requests, workload.connections, workload.status)
                raws.append(_raw(raw, workload, round_ + 3 * plan.rounds, amount))
            for side, group in measured.items():
                label = name if len(groups) == 1 else f"{side}, {name}"
                _add(sheet, label, group, statistics.median(raws), WANTED.get(name))
    return [sheet]


def _servers(
    stack: contextlib.ExitStack, start: Start, file: Path, url: str
) -> dict[str, list[Server]]:
    """Start a server on a file, and two of it on one PostgreSQL."""
    url = postgresql.ours(url)
    one, two = (stack.enter_context(start(url)) for _ in range(2))
    return {SQLITE: [stack.enter_context(start(file))], ONE: [one], TWO: [one, two]}


def _raw(raw: RawPostgreSQL, workload: Workload, round_: int, amount: Amount) -> float:
    if workload.writes:
        return raw.writes(workload.numbers(round_, amount), workload.connections)
    keys = [checksum(number % amount.keys) for number in range(amount.reads)]
    return raw.look_ups(keys, PIPELINE if workload.connections > 1 else 1)


def _add(
    sheet: FreeTable, name: str, measured: dict[str, Measured], raw: float, wanted: float | None
) -> None:
    rates = {side: one.per_second() for side, one in measured.items()}
    sheet.add(
        name,
        *(
            Figure(rate, "/s", at_least=wanted if kind == ONE else None)
            for kind, rate in rates.items()
        ),
        Figure(raw, "/s"),
        Figure(100 * rates[ONE] / rates[SQLITE], "%"),
        Figure(rates[TWO] / rates[ONE], "×"),
        Figure(100 * rates[ONE] / raw, "%"),
    )
