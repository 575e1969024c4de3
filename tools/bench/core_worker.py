"""Times one workload after the other in the environment that it is started in.

Speaks JSON lines: `{"workload": name, "limit": bool}` in, `{"seconds": s, "peak": bytes}` out.
"""

from __future__ import annotations

import gc
import json
import sys
import time
from typing import TYPE_CHECKING, Any

from core_workloads import WORKLOADS

if TYPE_CHECKING:
    from collections.abc import Callable

ENOUGH = 0.1  # seconds
MOST = 10  # calls; between two of them everything that is not needed is collected


def forget() -> None:
    """Empty the published package's memories of earlier calls: they are not its speed."""
    for name in ("parse_buffer", "serialize", "cached_calculate_checksum"):
        module = sys.modules.get(f"seamless.checksum.{name}")
        for memory in vars(module).values() if module else ():
            if hasattr(memory, "dli") and not isinstance(memory, type):
                memory.clear()


def measure(work: Callable[[], Any]) -> float:
    """Seconds of one call, the mean over as many as take a tenth of a second, or ten."""
    seconds, calls = 0.0, 0
    while seconds < ENOUGH and calls < MOST:
        forget()
        gc.collect()
        start = time.perf_counter()
        result = work()
        seconds += time.perf_counter() - start
        calls += 1
        del result
    return seconds / calls


def main() -> None:
    """Answer requests until there are no more."""
    made: dict[tuple[str, bool], Callable[[], Any]] = {}
    for line in sys.stdin:
        request = json.loads(line)
        key = request["workload"], request["limit"]
        if key not in made:
            made.clear()  # one value in memory at a time
            made[key] = WORKLOADS[key[0]][key[1]]()
            made[key]()  # imports and caches are not the workload
        print(json.dumps({"seconds": measure(made[key])}), flush=True)


if __name__ == "__main__":
    main()
