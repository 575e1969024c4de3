"""Part `tail`: the slowest writes in files of a thousand and of ten million results."""

from __future__ import annotations

import contextlib
import itertools
import shutil
import statistics
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import TYPE_CHECKING

from tools.bench.database.generate_rows import chosen_keys, fill
from tools.bench.database.load import Result, load
from tools.bench.database.requests import get_checksum, put_result
from tools.bench.database.rows import FEW, MANY, QUICK_MANY, ROOM
from tools.bench.database.servers import running_ours, running_published, scratch
from tools.bench.database.workloads import CONNECTIONS
from tools.bench.free_table import Figure, FreeTable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tools.bench.database.servers import Server
    from tools.bench.settings import Plan

SECONDS, QUICK_SECONDS = 4.0, 1.0
#: seconds for which the readers read longer than the writers write
MARGIN = 0.5
KEYS = 1_000
#: times the median that 99 % of the writes may take
MOST = 4
NOTE = f"""\
Times of single writes over {CONNECTIONS} connections, which both servers do alternately: of half of
them, and of 99 % at most. Ours syncs each write, the published server none. Beside readers,
{CONNECTIONS} more connections ask for results without a pause."""


def run(plan: Plan, many: int | None = None) -> list[FreeTable]:
    """Measure files of both sizes, without readers and beside them."""
    many = many or (QUICK_MANY if plan.quick else MANY)
    heads = ["half", "99 %", "99 % by half", "a second"]
    columns = ["workload", *(f"{head}, ours" for head in heads)]
    columns += ["half, published", "99 %, published", "99 % of published"]
    sheet = FreeTable(f"The slowest writes, {CONNECTIONS} connections", columns, notes=[NOTE])
    with scratch() as folder:
        for rows in (FEW, many):
            free = shutil.disk_usage(folder).free
            if free < 2 * rows * ROOM:
                sheet.notes.append(f"{rows:,} rows need more room: {free / 1e9:.0f} GB are free.")
                continue
            with _servers(plan, folder, rows) as servers:
                for readers in (0, CONNECTIONS):
                    _measure(sheet, plan, servers, rows, readers)
    return [sheet]


@contextlib.contextmanager
def _servers(plan: Plan, folder: Path, rows: int) -> Iterator[dict[str, Server]]:
    starts = {"ours": running_ours} | ({"published": running_published} if plan.published else {})
    files = {side: folder / f"{side}-{rows}.db" for side in starts}
    fill(files["ours"], rows)
    for side in [*files][1:]:
        shutil.copyfile(files["ours"], files[side])
    with contextlib.ExitStack() as stack:
        yield {side: stack.enter_context(starts[side](files[side])) for side in starts}


def _measure(
    sheet: FreeTable, plan: Plan, servers: dict[str, Server], rows: int, readers: int
) -> None:
    seconds = plan.seconds or (QUICK_SECONDS if plan.quick else SECONDS)
    keys = chosen_keys(rows, KEYS, readers)
    numbers = {side: itertools.count(10**8 + readers * 10**7) for side in servers}
    results: dict[str, list[Result]] = {side: [] for side in servers}
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        for _ in range(plan.rounds):
            for side, server in servers.items():
                if readers:
                    # so that starting the process is not measured
                    pool.submit(read, server.port, keys, readers, 0.0).result()
                    reading = pool.submit(read, server.port, keys, readers, seconds + MARGIN)
                writes = map(put_result, numbers[side])
                found = load(server.port, writes, CONNECTIONS, seconds=seconds)
                results[side].append(found.all_answered(200))
                if readers:
                    reading.result().all_answered(200)
    name = f"{rows:,} rows" + (f", beside {readers} readers" if readers else "")
    sheet.add(name, *_figures(results))


def read(port: int, keys: list[str], readers: int, seconds: float) -> Result:
    """Look results up; runs in a process of its own."""
    requests = itertools.cycle([get_checksum("transformation", key) for key in keys])
    return load(port, requests, readers, seconds=seconds)


def _figures(results: dict[str, list[Result]]) -> list[Figure | None]:
    half, slow = _times(results["ours"])
    ratio = statistics.median(r.percentile(99) / r.percentile(50) for r in results["ours"])
    rate = statistics.median(result.per_second for result in results["ours"])
    own = [Figure(half, "ms"), Figure(slow, "ms"), Figure(ratio, "×", at_most=MOST)]
    if "published" not in results:
        return [*own, Figure(rate, "/s"), None, None, None]
    other_half, other_slow = _times(results["published"])
    others = [Figure(other_half, "ms"), Figure(other_slow, "ms")]
    return [*own, Figure(rate, "/s"), *others, Figure(slow / other_slow, "×", at_most=1)]


def _times(results: list[Result]) -> tuple[float, float]:
    """Return the milliseconds of half and of 99 % of the writes, as medians over the rounds."""
    half = statistics.median(result.percentile(50) for result in results)
    return 1e3 * half, 1e3 * statistics.median(result.percentile(99) for result in results)
