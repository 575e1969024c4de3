"""seamless-core beside the published package and the physical limit, round by round."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from core_workloads import WORKLOADS
from environments import ours, published
from table import Row

if TYPE_CHECKING:
    from types import TracebackType

HERE = Path(__file__).parent


class Worker:
    """A process that times workloads in one environment."""

    def __init__(self, binaries: Path) -> None:
        self._process = subprocess.Popen(
            [binaries / "python", "-W", "ignore", HERE / "core_worker.py"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def measure(self, workload: str, *, limit: bool = False) -> float:
        """Seconds of one run."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"workload": workload, "limit": limit}) + "\n")
        self._process.stdin.flush()
        return float(json.loads(self._process.stdout.readline())["seconds"])

    def __enter__(self) -> Worker:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(60)


def run(rounds: int) -> list[Row]:
    """Measure every workload, ours, published and limit in turns."""
    rows = []
    with Worker(ours()) as own, Worker(published()) as other, Worker(ours()) as limit:
        for name in WORKLOADS:
            times: list[list[float]] = [[], [], []]
            for _ in range(rounds):
                times[0].append(own.measure(name))
                times[1].append(other.measure(name))
                times[2].append(limit.measure(name, limit=True))
            rows.append(Row(name, *times))
    return rows
