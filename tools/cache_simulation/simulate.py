"""What a full cache costs: our policy beside others, on the same requests.

    python -m tools.cache_simulation.simulate [--length N] [--seed N]

Prints, for each trace, the seconds of downloading and computing that are paid for buffers that
were not in the cache any more: with our policy, with the least recently used, in the order of
the published package, with `cachey` (where it is installed: environment `bench` of hatch.toml),
and with a greedy choice that knows the future. The seconds that any cache pays, for the first
request of each buffer, are left out.

Of the four, ours pays the least on the traces that are made up, but for `shift`, where other
buffers become popular four times: there cachey pays a tenth less. It never forgets how often a
buffer was wanted, however many there are, and refuses buffers whose score is lower than those it
has. We remember a bounded number, and take in whatever is referenced, because the holder of the
reference counts on finding it.

On the two recorded traces the published order pays a tenth less. Those runs last seconds, in
which its interest hardly fades and cost by size alone decides. That is best where all buffers
are wanted equally often, as in the demonstration, which asks for every file in every round;
counting uses, as ours and cachey do, then only prefers what was wanted last. Where that is not
so, as on `zipf`, or a run takes minutes, so that the interest does fade, it pays many times
what ours does. All that is at stake there is some hundredths of a second.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
from typing import TYPE_CHECKING

from tools.cache_simulation.policies import POLICIES, cost_paid
from tools.cache_simulation.traces import traces

if TYPE_CHECKING:
    from tools.cache_simulation.traces import Trace

BOUND = "clairvoyant"


def first_requests(trace: Trace) -> float:
    """Return what no cache can save."""
    first = {request.key: request.seconds for request in reversed(trace.requests)}
    return sum(first.values())


def available() -> list[str]:
    """Return the names of the policies that can be run here."""
    has_cachey = importlib.util.find_spec("cachey") is not None
    return [name for name in POLICIES if name != "cachey" or has_cachey]


def simulate(trace: Trace, names: list[str]) -> dict[str, float]:
    """Return the avoidable seconds that are paid, by policy."""
    unavoidable = first_requests(trace)
    return {name: cost_paid(POLICIES[name](trace), trace) - unavoidable for name in names}


def main(arguments: list[str] | None = None) -> int:
    """Print the table; returns the exit status."""
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n", maxsplit=1)[0])
    parser.add_argument("--length", type=int, default=20_000, help="requests in a trace")
    parser.add_argument("--seed", type=int, default=1, help="of the traces that are made up")
    options = parser.parse_args(arguments)
    names = available()
    print("Avoidable seconds paid; * is the lowest that does without knowing the future\n")
    print(f"{'trace':<14}{'requests':>9}{'cap in MB':>11}" + "".join(f"{n:>13}" for n in names))
    for label, trace in traces(options.length, options.seed):
        paid = simulate(trace, names)
        lowest = min(seconds for name, seconds in paid.items() if name != BOUND)
        cells = (
            f"{seconds:.4g}{'*' if name != BOUND and seconds <= lowest else ' '}"
            for name, seconds in paid.items()
        )
        head = f"{label:<14}{len(trace.requests):>9}{trace.capacity / 1e6:>11.4g}"
        print(head + "".join(f"{cell:>13}" for cell in cells), flush=True)
    if "cachey" not in names:
        print("\ncachey is not installed: pip install cachey")
    return 0


if __name__ == "__main__":
    sys.exit(main())
