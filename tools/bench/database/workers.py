"""Part `workers`: reads by one, two and four processes of our server, where there are cores."""

from __future__ import annotations

import contextlib
import os
import statistics
from concurrent.futures import ProcessPoolExecutor
from itertools import cycle
from multiprocessing import get_context
from typing import TYPE_CHECKING

from tools.bench.database.load import Result, load, repeated
from tools.bench.database.requests import get, put_result
from tools.bench.database.servers import running_ours, scratch
from tools.bench.database.workloads import CONNECTIONS
from tools.bench.free_table import Figure, FreeTable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tools.bench.database.servers import Server
    from tools.bench.settings import Plan

WORKERS = (1, 2, 4)
KEYS = 1_000
NOTE = """\
This machine has {cores} cores, which the server and {generators} generators share; more processes
than cores are left out."""
TIME, QUICK_TIME = 1.5, 0.3  # seconds of a round


def read(port: int, seconds: float, connections: int) -> Result:
    """Look results up; runs in processes of their own."""
    requests = cycle([get("transformation", number) for number in range(KEYS)])
    return load(port, requests, connections, seconds=seconds).all_answered(200)


def run(plan: Plan) -> list[FreeTable]:
    """Measure each number of processes alternately, on a file of its own."""
    cores = len(os.sched_getaffinity(0))
    numbers = [number for number in WORKERS if number <= cores]
    # as many generators for each, so that nothing but the server differs
    generators = max(numbers)
    with contextlib.ExitStack() as stack:
        ports = {number: stack.enter_context(_filled(number)).port for number in numbers}
        results = _results(ports, generators, plan.rounds, QUICK_TIME if plan.quick else TIME)
    sheet = FreeTable(
        f"Look-ups a second by processes of our server, {CONNECTIONS} connections",
        ["processes", "look-ups", "beside one", "of all cores, generators"],
        notes=[NOTE.format(cores=cores, generators=generators)],
    )
    alone = _rate(results[numbers[0]])
    for number, rounds in results.items():
        busy = 100 * statistics.median(sum(one.busy for one in found) / cores for found in rounds)
        rate = _rate(rounds)
        sheet.add(f"{number}", Figure(rate, "/s"), Figure(rate / alone, "×"), Figure(busy, "%"))
    return [sheet]


@contextlib.contextmanager
def _filled(workers: int) -> Iterator[Server]:
    """Run our server with so many processes, on a file with some results."""
    options = ("--workers", str(workers))
    with scratch() as folder, running_ours(folder / "seamless.db", *options) as server:
        stored = repeated([put_result(number) for number in range(KEYS)], KEYS)
        load(server.port, stored, CONNECTIONS).all_answered(200)
        yield server


def _results(
    ports: dict[int, int], generators: int, rounds: int, seconds: float
) -> dict[int, list[list[Result]]]:
    """Return what every generator measured, by processes of the server and round."""
    results: dict[int, list[list[Result]]] = {number: [] for number in ports}
    share = max(1, CONNECTIONS // generators)
    with ProcessPoolExecutor(generators, mp_context=get_context("spawn")) as pool:
        for round_ in range(-1, rounds):
            for number, port in ports.items():
                found = [pool.submit(read, port, seconds, share) for _ in range(generators)]
                measured = [future.result() for future in found]
                if round_ >= 0:  # in the one before, the generators start
                    results[number].append(measured)
    return results


def _rate(rounds: list[list[Result]]) -> float:
    """Return the look-ups a second of all generators together."""
    return statistics.median(sum(one.per_second for one in found) for found in rounds)
