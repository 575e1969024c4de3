"""Time on a core and memory of a process and those that it has started, from /proc."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
NANOSECONDS = 1e9
#: what ends a process between two looks at it
GONE = (FileNotFoundError, ProcessLookupError)


@dataclass(frozen=True)
class Memory:
    """Bytes in memory, and how many of them come from no file."""

    resident: int
    anonymous: int


def family(pid: int) -> list[int]:
    """Return a process and its descendants."""
    children: dict[int, list[int]] = {}
    for entry in PROC.iterdir():
        if entry.name.isdigit():
            with suppress(*GONE):
                # the name before it may hold spaces and parentheses
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                children.setdefault(parent, []).append(int(entry.name))
    found = [pid]
    for member in found:
        found += children.get(member, [])
    return found


def core_seconds(pids: list[int]) -> tuple[float, float]:
    """Seconds that the threads of some processes were on a core, and ready but waiting for one."""
    on_core = waiting = 0
    for pid in pids:
        for task in (PROC / str(pid) / "task").iterdir():
            with suppress(*GONE):
                had, waited, _ = (task / "schedstat").read_text().split()
                on_core += int(had)
                waiting += int(waited)
    return on_core / NANOSECONDS, waiting / NANOSECONDS


def memory(pids: list[int]) -> Memory:
    """Memory that some processes have; what they share is counted for each of them."""
    sizes: dict[str, int] = {}
    for pid in pids:
        for line in (PROC / str(pid) / "smaps_rollup").read_text().splitlines()[1:]:
            name, _, size = line.partition(":")
            sizes[name] = sizes.get(name, 0) + int(size.split()[0]) * 1024
    return Memory(sizes["Rss"], sizes["Anonymous"])
