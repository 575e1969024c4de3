"""Three processes, ours, the published package and the limit, measured alternately."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from typing import TYPE_CHECKING

from tools.bench.environments import ROOT, ours, published
from tools.bench.table import Row

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tools.bench.settings import Plan
    from tools.bench.workload import Workload

TIMEOUT = 60.0  # seconds


class WorkloadError(Exception):
    """A workload that a side cannot run."""


class Worker:
    """A process that measures workloads in one environment."""

    def __init__(self, process: subprocess.Popen[str], binaries: Path) -> None:
        self._process, self._binaries = process, binaries

    def measure(self, workload: str, *, limit: bool = False, figure: str = "seconds") -> float:
        """One figure of a workload, or of its limit."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        request = {"workload": workload, "limit": limit, "figure": figure}
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise WorkloadError(f"the process that measures {workload!r} has ended")
        found = json.loads(answer)
        if "error" in found:
            raise WorkloadError(f"{workload!r} fails in {self._binaries}: {found['error']}")
        return float(found["figure"])


@contextlib.contextmanager
def worker(binaries: Path, module: str) -> Iterator[Worker]:
    """Run a process that measures the workloads of a module."""
    command = [binaries / "python", "-W", "ignore", "-m", "tools.bench.worker", module]
    with subprocess.Popen(
        list(map(str, command)),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    ) as process:
        try:
            yield Worker(process, binaries)
        finally:
            assert process.stdin is not None
            process.stdin.close()
            try:
                process.wait(TIMEOUT)
            except subprocess.TimeoutExpired:
                process.kill()


class Contenders:
    """The processes of one suite, open as long as the stack that they are given."""

    def __init__(self, module: str, plan: Plan, stack: contextlib.ExitStack) -> None:
        self._plan = plan
        self._workers = {"ours": stack.enter_context(worker(ours(), module))}
        if plan.published:
            self._workers["published"] = stack.enter_context(worker(published(), module))
        if not plan.against:
            self._workers["limit"] = stack.enter_context(worker(ours(), module))

    def row(self, name: str, workload: Workload) -> Row:
        """Measure one workload, each round ours, published and limit."""
        own, other, limit = self.measure(name, self._plan.rounds, "seconds")
        return Row(
            name,
            own,
            other or None,
            limit or None,
            at_least=workload.at_least,
            at_most=workload.at_most,
            bound=workload.bound,
            limit_text=workload.limit_text(),
        )

    def measure(self, name: str, rounds: int, figure: str) -> list[list[float]]:
        """Return the figures of ours, published and limit; none for a side that is left out.

        Of two commits, one need not be able to run every workload.
        """
        found: dict[str, list[float]] = {"ours": [], "published": [], "limit": []}
        for _ in range(rounds):
            for side, process in self._workers.items():
                try:
                    value = process.measure(name, limit=side == "limit", figure=figure)
                    found[side].append(value)
                except WorkloadError as error:
                    if not self._plan.against:
                        raise
                    print(error, file=sys.stderr)
        return list(found.values())


def once(module: str, name: str, figure: str, plan: Plan) -> list[list[float]]:
    """One figure of ours, published and limit, each in a new process; for memory."""
    with contextlib.ExitStack() as stack:
        return Contenders(module, plan, stack).measure(name, 1, figure)
