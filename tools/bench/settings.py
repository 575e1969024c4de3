"""What a run of the benchmarks is to measure, and how far it has come."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

ROUNDS, QUICK_ROUNDS = 5, 3


@dataclass(frozen=True)
class Plan:
    """How often, how much, and beside what."""

    rounds: int = ROUNDS
    #: smaller files and fewer entries, for a look in between
    quick: bool = False
    #: part of a name: other workloads are left out
    only: str = ""
    #: whether the published packages are measured too, which needs a package index once
    published: bool = True
    #: whether the other side is a commit: no limits, and a side may be unable to run a workload
    against: bool = False
    #: how long the write stress lasts, if given
    seconds: float | None = None

    def chosen(self, suite: str, names: Collection[str]) -> Iterator[str]:
        """Yield the names of the workloads to measure, and name each on stderr."""
        found = [name for name in names if self.only.lower() in name.lower()]
        on_terminal = sys.stderr.isatty()
        for number, name in enumerate(found, 1):
            start = time.monotonic()
            text = f"[{suite} {number}/{len(found)}] {name}"
            if on_terminal:
                print(text, end=" ", file=sys.stderr, flush=True)
            yield name
            done = f"{time.monotonic() - start:.1f} s"
            print(done if on_terminal else f"{text}: {done}", file=sys.stderr, flush=True)
