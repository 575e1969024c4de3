"""Part `client`: calls a second through the clients, beside `http.client`; and their import."""

from __future__ import annotations

import statistics
import subprocess
import time
from typing import TYPE_CHECKING

from tools.bench.database.client_calls import KEYS, TASKS
from tools.bench.database.load import load
from tools.bench.database.requests import put_result
from tools.bench.database.servers import running_ours, scratch
from tools.bench.database.workloads import CONNECTIONS
from tools.bench.environments import ROOT, ours
from tools.bench.free_table import Figure, FreeTable

if TYPE_CHECKING:
    from tools.bench.settings import Plan

IN_TURN, AT_ONCE, AT_MOST = 2_000, 1_000, 100_000
QUICK_IN_TURN, QUICK_AT_MOST = 500, 20_000
#: wanted: so many times the loop, and look-ups a second of an event loop
OF_LOOP, WANTED = 0.8, {"gather": 20_000}
#: seconds that the import of the client may take
IMPORT_SECONDS = 0.25
IMPORTS = {"ours": "seamless_database.client", "limit": "asyncio, http.client, httpcore"}
STARTS = 5
#: seconds after which another commit's client is left out
COMMIT_TIMEOUT = 10.0
NOTE = f"""\
The limit is a loop that asks one after the other: `connection.request("GET", "/", body)` and
`json.dumps` of the body, then `connection.getresponse().read()`, with one `http.client` connection.
Beside it, plain code calls `DatabaseClient.get_transformation`. The others are
`await asyncio.gather(...)` over so many calls of a new `AsyncDatabaseClient`, or {TASKS} tasks
that share the calls, in a process where another client has connected before: the first connection
of a process imports anyio, which takes 20 ms. Client and server share the cores."""
IMPORT_NOTE = f"""\
Whole processes, `python -c "import ..."`; the limit is `import {IMPORTS["limit"]}`, on which the
client stands."""


def run(plan: Plan) -> list[FreeTable]:
    """Measure each way to call a client and the loop in turns, and the import of the client."""
    return [_rates(plan), _import(plan)]


def _rates(plan: Plan) -> FreeTable:
    heads = ["workload", "ours", "http.client", "of http.client"]
    sheet = FreeTable("Calls a second through the clients", heads, notes=[NOTE])
    in_turn = QUICK_IN_TURN if plan.quick else IN_TURN
    many = QUICK_AT_MOST if plan.quick or plan.against else AT_MOST
    timeout = COMMIT_TIMEOUT if plan.against else None
    workloads = {
        "look-ups in plain code": ("plain", in_turn),
        f"gather of {AT_ONCE:,} look-ups": ("gather", AT_ONCE),
        f"gather of {many:,} look-ups": ("gather", many),
        f"{TASKS} tasks that look up": ("tasks", 5 * in_turn),
        f"gather of {AT_ONCE:,} writes": ("write", AT_ONCE),
    }
    with scratch() as folder, running_ours(folder / "seamless.db") as server:
        stored = iter([put_result(number) for number in range(KEYS)])
        load(server.port, stored, CONNECTIONS).all_answered(200)
        for name, (workload, count) in workloads.items():
            own, loop = [], []
            try:
                for _ in range(plan.rounds):
                    own.append(_measured(workload, server.port, count, timeout))
                    loop.append(_measured("loop", server.port, in_turn, timeout))
            except subprocess.SubprocessError:
                if not plan.against:
                    raise
                continue  # the client of another commit may lack it, or take hours
            ratio = statistics.median(a / b for a, b in zip(own, loop, strict=True))
            sheet.add(
                name,
                Figure(statistics.median(own), "/s", at_least=WANTED.get(workload)),
                Figure(statistics.median(loop), "/s"),
                Figure(ratio, "×", at_least=OF_LOOP if workload == "plain" else None),
            )
    return sheet


def _measured(name: str, port: int, count: int, timeout: float | None) -> float:
    """Return the calls a second of a workload, in a process of its own."""
    module = "tools.bench.database.client_calls"
    command = [str(ours() / "python"), "-W", "ignore", "-m", module, name, str(port), str(count)]
    done = subprocess.run(
        command, check=True, cwd=ROOT, stdout=subprocess.PIPE, text=True, timeout=timeout
    )
    return float(done.stdout)


def _import(plan: Plan) -> FreeTable:
    found: dict[str, list[float]] = {side: [] for side in IMPORTS}
    for _ in range(STARTS * plan.rounds):
        for side, modules in IMPORTS.items():
            start = time.perf_counter()
            subprocess.run([ours() / "python", "-c", f"import {modules}"], check=True)
            found[side].append(time.perf_counter() - start)
    own, limit = (statistics.median(found[side]) for side in IMPORTS)
    sheet = FreeTable(
        "Import of the client", ["", "ours", "limit", "of limit"], notes=[IMPORT_NOTE]
    )
    sheet.add(
        "import seamless_database.client",
        Figure(1e3 * own, "ms", at_most=1e3 * IMPORT_SECONDS),
        Figure(1e3 * limit, "ms"),
        Figure(own / limit, "×"),
    )
    return sheet
