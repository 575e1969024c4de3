"""The commands beside the published ones and the system's own, process by process."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tools.bench.cli.workloads import workloads
from tools.bench.environments import ours, published
from tools.bench.table import Comparison, Row

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tools.bench.cli.workloads import Command, CommandLines
    from tools.bench.settings import Plan

KILOBYTE = 1024  # in which Linux counts memory
MOMENT = 0.01  # seconds


def run(plan: Plan) -> list[Comparison]:
    """Measure every command line, ours, published and limit alternately."""
    rows: list[Row] = []
    found = dict(workloads(quick=plan.quick))
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        for name in plan.chosen("cli", found):
            rows += measure(name, found[name], Path(folder), plan)
    return [Comparison(rows)]


def measure(name: str, lines: CommandLines, folder: Path, plan: Plan) -> Iterator[Row]:
    """Measure one workload; yields the row of its time, and that of its memory if it has one."""
    path = lines.make(folder)
    commands: list[Command | None] = [lines.ours(ours(), path), None, None]
    if plan.published and (lines.comparable or plan.against):
        commands[1] = lines.ours(published(), path)
    if not plan.against:
        commands[2] = lines.limit(ours(), path)
    # this first time brings files and libraries into memory
    peaks = [_peaks(command, plan) for command in commands]
    times: list[list[float]] = [[] for _ in commands]
    for _ in range(min(plan.rounds, lines.rounds) * lines.times):
        for command, had, found in zip(commands, peaks, times, strict=True):
            if command is not None and had:
                found.append(seconds_of(command))
    own, other, limit = times
    text = lines.limit_text()
    yield Row(
        name,
        own,
        other or None,
        limit or None,
        at_least=lines.at_least,
        at_most=lines.at_most,
        bound=lines.bound,
        limit_text=text,
    )
    if lines.memory:
        own, other, limit = peaks
        yield Row(
            f"peak memory: {name}", own, other or None, limit or None, unit="B", limit_text=text
        )


def _peaks(command: Command | None, plan: Plan) -> list[float]:
    """Return the peak of a command; nothing of a commit that cannot run it."""
    try:
        return [] if command is None else [peak(command)]
    except (OSError, subprocess.CalledProcessError) as error:
        if not plan.against:
            raise
        print(error, file=sys.stderr)
        return []


def seconds_of(command: Command) -> float:
    """Seconds of a process from start to end."""
    start = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - start


def peak(command: Command) -> float:
    """Peak of a process's memory in bytes, as it was a moment before its end.

    The system's figure after its end would count what this process had when it began.
    """
    found = 0
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        while process.poll() is None:
            status = Path(f"/proc/{process.pid}/status").read_text()
            sizes = [line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:")]
            found = max([found, *map(int, sizes)])
            time.sleep(MOMENT)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return float(found * KILOBYTE)
