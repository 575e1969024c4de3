"""Part `workers`: reads by one, two and four processes of our server, where there are cores."""

from __future__ import annotations

import contextlib
import os
import statistics
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import TYPE_CHECKING

from database_requests import get, put_result
from database_workloads import CONNECTIONS
from load import Result, load, repeated
from servers import running_ours, scratch
from sheet import Figure, Sheet

if TYPE_CHECKING:
    from plan import Plan

WORKERS = (1, 2, 4)
KEYS = 1_000
NOTE = """\
This machine has {cores} cores, which the server and {generators} generators share; more processes
than cores are left out."""
READS, QUICK_READS = 10_000, 3_000


def read(port: int, count: int, connections: int) -> Result:
    """Look results up; runs in processes of their own."""
    requests = [get("transformation", number) for number in range(KEYS)]
    return load(port, repeated(requests, count), connections).all_answered(200)


def run(plan: Plan) -> list[Sheet]:
    """Measure each number of processes in turns, on a file of its own."""
    cores = len(os.sched_getaffinity(0))
    numbers = [number for number in WORKERS if number <= cores]
    reads = QUICK_READS if plan.quick else READS
    rates: dict[int, list[float]] = {number: [] for number in numbers}
    busy: dict[int, list[float]] = {number: [] for number in numbers}
    with contextlib.ExitStack() as stack:
        # as many generators for each, so that nothing but the server differs
        generators = max(numbers)
        context = get_context("spawn")
        pool = stack.enter_context(ProcessPoolExecutor(generators, mp_context=context))
        ports = {}
        for number in numbers:
            file = stack.enter_context(scratch()) / "seamless.db"
            server = stack.enter_context(running_ours(file, "--workers", str(number)))
            stored = repeated([put_result(n) for n in range(KEYS)], KEYS)
            load(server.port, stored, CONNECTIONS).all_answered(200)
            ports[number] = server.port
        for round_ in range(-1, plan.rounds):
            for number, port in ports.items():
                share = max(1, CONNECTIONS // generators)
                found = [pool.submit(read, port, reads, share) for _ in range(generators)]
                results = [future.result() for future in found]
                if round_ >= 0:  # the one before makes the generators start
                    rates[number].append(sum(result.per_second for result in results))
                    busy[number].append(100 * sum(result.busy for result in results) / cores)
    sheet = Sheet(
        f"Look-ups a second by processes of our server, {CONNECTIONS} connections",
        ["processes", "look-ups", "beside one", "of all cores, generators"],
        notes=[NOTE.format(cores=cores, generators=generators)],
    )
    for number in numbers:
        rate = statistics.median(rates[number])
        gain = Figure(rate / statistics.median(rates[numbers[0]]), "×")
        share_of_all = Figure(statistics.median(busy[number]), "%")
        sheet.add(f"{number}", Figure(rate, "/s"), gain, share_of_all)
    return [sheet]
