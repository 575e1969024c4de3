"""Part `requests`: beside the published server, a bare application, and SQLite alone."""

from __future__ import annotations

import contextlib
import statistics
from typing import TYPE_CHECKING

from tools.bench.database.baselines.sqlite import make_file, opened
from tools.bench.database.load import load
from tools.bench.database.requests import put_record
from tools.bench.database.servers import running_bare, scratch, sides_of
from tools.bench.database.workloads import CONNECTIONS, QUICK, WORKLOADS, Amount
from tools.bench.free_table import Cell, Figure, FreeTable
from tools.bench.rounds import Measured

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tools.bench.database.servers import Server
    from tools.bench.settings import Plan

OURS, PUBLISHED, BARE, RAW = "ours", "published", "bare uvicorn", "raw SQLite"
BOTH = "raw SQLite, both rows"
SERVERS = (OURS, PUBLISHED, BARE)
COSTS = ("time", "processor")
RATES_NOTE = f"""\
Raw SQLite is one process without a server, that looks up or stores results; it syncs every row
beside one connection, and every {CONNECTIONS} rows beside {CONNECTIONS}. Both rows are a result
and its reverse row, which the format requires. A PUT goes from the event loop to the writer
thread and back; beside one connection, no thread works in that time. The
published server syncs nothing. The code of raw SQLite is
`tools/bench/database/baselines/sqlite.py`, that of the bare application `app.py` beside it."""
COSTS_NOTE = """\
Time is the median of a request as the generator sees it; processor is the time on a core that
the server has for a request, which other work on the machine hardly changes. The other two are of
the worst server: how busy the generator is (well below 100 %, it is the servers that are
measured), and how long a server was ready but had no core (much more than 0 %, the machine was
busy with something else)."""


def run(plan: Plan, amount: Amount | None = None) -> list[FreeTable]:
    """Measure every workload alternately."""
    amount = amount or (QUICK if plan.quick else Amount())
    heads = [*SERVERS, RAW, BOTH, "of published", "of bare", "of raw SQLite", "of both rows"]
    rates = FreeTable(
        f"Requests a second, {CONNECTIONS} connections where nothing else is said",
        ["workload", *heads],
        notes=[RATES_NOTE],
    )
    heads = [f"{side}, {what}" for what in COSTS for side in SERVERS]
    costs = FreeTable(
        "Where the time of a request goes",
        ["workload", *heads, "generator, busy", "waiting for a core"],
        notes=[COSTS_NOTE],
    )
    with contextlib.ExitStack() as stack:
        servers = _servers(stack, plan, amount)
        file = stack.enter_context(scratch()) / "raw.db"
        make_file(file)
        raw = stack.enter_context(opened(file))
        raw.writes(range(amount.keys), amount.keys)
        for name, workload in WORKLOADS.items():
            sides = {side: Measured([server]) for side, server in servers.items()}
            raws: list[float] = []
            both_rates: list[float | None] = []
            for round_ in range(plan.rounds):
                for side, measured in sides.items():
                    # the bare application answers everything alike
                    status = 200 if side == BARE else workload.status
                    measured.round(workload.requests(round_, amount), workload.connections, status)
                raws.append(workload.raw(raw, round_, amount))
                both_rates.append(workload.raw_both(raw, round_, amount))
            rates.add(name, *_rates(name, sides, raws, both_rates))
            costs.add(name, *_costs(sides))
    return [rates, costs]


def _servers(stack: contextlib.ExitStack, plan: Plan, amount: Amount) -> dict[str, Server]:
    """Start the servers, and fill those that store something."""
    servers = {}
    for side, start in sides_of(plan).items():
        file = stack.enter_context(scratch()) / "seamless.db"
        servers[side] = stack.enter_context(start(file))
        records = iter([put_record(number) for number in range(amount.keys)])
        load(servers[side].port, records, CONNECTIONS).all_answered(200)
    return servers | {BARE: stack.enter_context(running_bare())}


def _rates(
    name: str, sides: Mapping[str, Measured], raws: list[float], both_rates: Sequence[float | None]
) -> list[Cell]:
    workload = WORKLOADS[name]
    raw = statistics.median(raws)
    both = statistics.median(found) if (found := [rate for rate in both_rates if rate]) else None
    rate = {side: measured.per_second() for side, measured in sides.items()}
    own = rate[OURS]
    gain = None
    if PUBLISHED in rate:
        gain = Figure(own / rate[PUBLISHED], "×", at_least=workload.of_published)
    return [
        *(Figure(rate[side], "/s") if side in rate else None for side in SERVERS),
        Figure(raw, "/s"),
        None if both is None else Figure(both, "/s"),
        gain,
        Figure(100 * own / rate[BARE], "%", at_least=workload.of_bare),
        Figure(100 * own / raw, "%", at_least=workload.of_raw),
        None if both is None else Figure(100 * own / both, "%"),
    ]


def _costs(sides: Mapping[str, Measured]) -> list[Cell]:
    found = [sides.get(side) for side in SERVERS]
    return [
        *(None if side is None else Figure(side.milliseconds(), "ms") for side in found),
        *(None if side is None else Figure(side.microseconds(), "µs") for side in found),
        Figure(max(side.busy() for side in sides.values()), "%"),
        Figure(max(side.waiting() for side in sides.values()), "%"),
    ]
