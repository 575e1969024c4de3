"""One transformation of the demonstration, executed in a process of the pool and measured.

The input is found by its checksum in the buffer directory, as on any machine that has it; the
result is written there before its checksum is published.
"""

from __future__ import annotations

import asyncio
import resource
import time
from dataclasses import dataclass

import seamless
from seamless import Buffer, Checksum
from seamless_database.client import DatabaseClient
from tools.demo import metrics


@dataclass(frozen=True)
class Execution:
    """What came out of one transformation, and what it cost: seconds and bytes."""

    transformation: str
    result: str
    result_length: int
    wall_time_seconds: float
    cpu_time_user_seconds: float
    cpu_time_system_seconds: float
    memory_peak_bytes: int

    def record(self) -> dict[str, object]:
        """The minimal execution record of the database."""
        return {
            "schema_version": 1,
            "tf_checksum": self.transformation,
            "result_checksum": self.result,
            "seamless_version": seamless.__version__,
            "execution_mode": "process",
            "remote_target": None,
            "wall_time_seconds": self.wall_time_seconds,
            "cpu_time_user_seconds": self.cpu_time_user_seconds,
            "cpu_time_system_seconds": self.cpu_time_system_seconds,
            "memory_peak_bytes": self.memory_peak_bytes,
            "gpu_memory_peak_bytes": None,
        }


def execute_once(transformation: str, url: str) -> Execution | None:
    """Run a transformation, unless it has a result or another process runs it: wait for that."""
    executions: list[Execution] = []

    def compute() -> str:
        executions.append(execute(transformation))
        return executions[0].result

    with DatabaseClient(url) as client:
        client.compute_once(transformation, compute)
    return executions[0] if executions else None


def execute(transformation: str) -> Execution:
    """Run a transformation that the buffer directory knows."""
    definition = Checksum(transformation).resolve("plain")
    source: Buffer = Checksum(definition["input"]).resolve()
    before, start = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    value = metrics.analyse(source.content)
    seconds, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF)
    result = Buffer(value, "plain")
    asyncio.run(result.write())
    return Execution(
        transformation=transformation,
        result=result.get_checksum().hex(),
        result_length=len(result),
        wall_time_seconds=round(seconds, 6),
        cpu_time_user_seconds=round(after.ru_utime - before.ru_utime, 6),
        cpu_time_system_seconds=round(after.ru_stime - before.ru_stime, 6),
        memory_peak_bytes=after.ru_maxrss * 1024,
    )
