"""Times the workloads of one module in the environment that it is started in.

    python -m tools.bench.worker tools.bench.core.workloads

Speaks JSON lines: `{"workload": name, "limit": bool, "figure": kind}` in, `{"figure": number}`
out, or `{"error": text}` of a workload that fails. The kinds are in `FIGURES`.

What surrounds a call is the same for each side, and outside the timing: what earlier calls
have left is dropped and collected, and the value that is worked on is there already.
"""

from __future__ import annotations

import gc
import importlib
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tools.bench.workload import Prepared

if TYPE_CHECKING:
    from collections.abc import Callable

    from tools.bench.workload import Workload

ENOUGH = 0.1  # seconds
MOST = 10  # calls
PROCESS = Path("/proc/self")
RESET_PEAK = "5"  # the value that the kernel defines for it


def forget() -> None:
    """Empty the published package's memories of earlier calls: they are not its speed."""
    for name in ("parse_buffer", "serialize", "cached_calculate_checksum"):
        module = sys.modules.get(f"seamless.checksum.{name}")
        for memory in vars(module).values() if module else ():
            if hasattr(memory, "dli") and not isinstance(memory, type):
                memory.clear()


def seconds_of(work: Callable[..., Any]) -> float:
    """Seconds of one call, the mean over as many as take a tenth of a second, or ten."""
    seconds, calls = 0.0, 0
    while seconds < ENOUGH and calls < MOST:
        arguments = (work.prepare(),) if isinstance(work, Prepared) else ()
        forget()
        gc.collect()
        start = time.perf_counter()
        result = work(*arguments)
        seconds += time.perf_counter() - start
        calls += 1
        del result, arguments
    return seconds / calls


def memory(field: str) -> int:
    """One of the kernel's figures about the memory of this process, in bytes."""
    lines = (PROCESS / "status").read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith(f"{field}:"))


def peak_of(work: Callable[..., Any]) -> float:
    """Memory beyond what there was, at the peak of one call, in multiples of the result."""
    forget()
    gc.collect()
    (PROCESS / "clear_refs").write_text(RESET_PEAK)
    before = memory("VmRSS")
    result = work()
    return (memory("VmHWM") - before) / len(getattr(result, "content", result))


def left_by(work: Callable[..., Any]) -> float:
    """Bytes of memory that there are more after one call, whose result is dropped."""
    gc.collect()
    before = memory("VmRSS")
    work()
    gc.collect()
    return max(0, memory("VmRSS") - before)


FIGURES: dict[str, Callable[[Callable[..., Any]], float]] = {
    "seconds": seconds_of,
    "peak": peak_of,
    "left": left_by,
}


class Sides:
    """What is timed: made on the first request, and kept until another is asked for."""

    def __init__(self, workloads: dict[str, Workload]) -> None:
        self._workloads = workloads
        self._made: dict[tuple[str, bool], Callable[..., Any]] = {}

    def figure(self, workload: str, figure: str, *, limit: bool) -> float:
        """Measure once more."""
        key, made = (workload, limit), self._made
        if key not in made:
            made.clear()  # one value in memory at a time
            gc.unfreeze()
            gc.collect()
            made[key] = self._workloads[workload].side(limit=limit)
            gc.freeze()  # or each collection between two calls would look through a million entries
            if figure == "seconds":
                seconds_of(made[key])  # imports and caches are not the workload
        return FIGURES[figure](made[key])


def main() -> None:
    """Answer requests until there are no more."""
    sides = Sides(importlib.import_module(sys.argv[1]).WORKLOADS)
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer: dict[str, Any] = {"figure": sides.figure(**request)}
        except Exception as error:  # noqa: BLE001 - of whatever a package lacks
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
