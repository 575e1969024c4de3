"""Three processes, ours, the published package and the limit, measured alternately."""

from __future__ import annotations

import contextlib
import json
import subprocess
from typing import TYPE_CHECKING

from tools.bench.environments import ROOT, ours, published
from tools.bench.table import Row

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tools.bench.settings import Plan
    from tools.bench.workload import Workload

TIMEOUT = 60.0  # seconds


class Worker:
    """A process that measures workloads in one environment."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def measure(self, workload: str, *, limit: bool = False, figure: str = "seconds") -> float:
        """One figure of a workload, or of its limit."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        request = {"workload": workload, "limit": limit, "figure": figure}
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise ChildProcessError(f"the process that measures {workload!r} has ended")
        return float(json.loads(answer)["figure"])


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
            yield Worker(process)
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
        self._own = stack.enter_context(worker(ours(), module))
        self._limit = stack.enter_context(worker(ours(), module))
        self._other: Worker | None = None
        if plan.published:
            self._other = stack.enter_context(worker(published(), module))

    def row(self, name: str, workload: Workload) -> Row:
        """Measure one workload, each round ours, published and limit."""
        own, other, limit = [], [], []
        for _ in range(self._plan.rounds):
            own.append(self._own.measure(name))
            if self._other is not None:
                other.append(self._other.measure(name))
            limit.append(self._limit.measure(name, limit=True))
        return Row(
            name,
            own,
            other or None,
            limit,
            at_least=workload.at_least,
            at_most=workload.at_most,
            bound=workload.bound,
            limit_text=workload.limit_text(),
        )


def once(module: str, name: str, figure: str, plan: Plan) -> tuple[float, float | None, float]:
    """One figure of ours, published and limit, each in a process of its own; for memory."""
    with worker(ours(), module) as own, worker(ours(), module) as limit:
        found = (
            own.measure(name, figure=figure),
            limit.measure(name, limit=True, figure=figure),
        )
    if not plan.published:
        return found[0], None, found[1]
    with worker(published(), module) as other:
        return found[0], other.measure(name, figure=figure), found[1]
