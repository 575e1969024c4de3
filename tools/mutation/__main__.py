"""Put one small fault after the other into the sources, and see whether a test fails.

    python3 tools/dev.py mutate [PATH...] [--sample N] [--seed N] [--again]

PATH is a module or folder below packages/*/src; without one, both packages. The faults are put into
a copy of the checkout, below .dev/. For each, the tests that reach its function run, until one
fails. Verdicts are kept: the same call goes on where it was ended, and tries the survivors again
once the tests have changed. Faults that no test can or should notice are listed with the reason in
marked.toml beside this file.

mutmut (3.8) and cosmic-ray (8.7) were tried first. mutmut replaces every function by a switch over
its variants, which the tests of signatures, pickles and import times notice, and it did not get
past its first run of these tests; cosmic-ray writes into the checkout, runs one test command for
all mutants of a session, and has no operators for deleted statements and inert handlers.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import random
import re
import signal
import sys
import time
from collections import Counter
from typing import TYPE_CHECKING

from tools.mutation import tree
from tools.mutation.chosen_tests import LIST
from tools.mutation.marks import Marks
from tools.mutation.mutants import Mutant, mutants
from tools.mutation.selection import Selection

if TYPE_CHECKING:
    from collections.abc import Collection

#: tests run until those that were measured to take so many seconds have passed
BUDGET = 40
#: so many run on their own before the others: most faults fail one of them, and few files load
FIRST = 40
#: exit statuses of pytest: all have passed, or there were none
PASSED = (0, 5)
#: pytest starts within this, in seconds; a test may take this many times its measured duration
START, SLACK = 20, 4


def find(paths: list[str]) -> list[Mutant]:
    """List the mutants of modules and folders."""
    found = []
    for name in paths:
        below = (tree.TREE / name).resolve()
        if not below.is_relative_to(tree.TREE) or not below.exists():
            raise SystemExit(f"Error: no module or folder of this checkout: {name}")
        for path in sorted(below.rglob("*.py")) if below.is_dir() else [below]:
            found += mutants(str(path.relative_to(tree.TREE)), path.read_text())
    return found


def trial(mutant: Mutant, tests: list[tuple[str, float]], budget: float) -> tuple[str, str]:
    """Run the tests with the fault in place; returns the verdict, and which test failed."""
    chosen, seconds = [], 0.0
    for test, duration in tests:
        if seconds + duration <= budget:
            chosen.append(test)
            seconds += duration
    if not chosen:
        return "survived", "no test reaches it"
    path = tree.TREE / mutant.path
    path.write_text(mutant.mutated)
    try:
        status, failed = run_tests(chosen[:FIRST], seconds, "-x")
        if status in PASSED and chosen[FIRST:]:
            status, failed = run_tests(chosen[FIRST:], seconds, "-x")
    finally:
        path.write_text(mutant.source)
    if status is None:
        return "timeout", ""
    return ("survived", "") if status in PASSED else ("killed", next(iter(failed), ""))


def run_tests(tests: list[str], seconds: float, *words: str) -> tuple[int | None, list[str]]:
    """Run tests in the copy; returns the status, None after a timeout, and those that failed."""
    listed = tree.HOME / "tests"
    listed.write_text("\n".join(tests))
    files = dict.fromkeys(test.partition("::")[0] for test in tests)
    status, output = tree.run_pytest(
        ["-p", "tools.mutation.chosen_tests", *words, *files],
        timeout=START + SLACK * seconds,
        # no test needs an installed plugin, and to load them takes longer than most tests
        variables={"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", LIST: str(listed)},
    )
    # the name of a test may hold blanks
    failed = re.findall(r"^(?:FAILED|ERROR) (.*?)(?: - .*)?$", output, re.MULTILINE)
    return status, failed


class Verdicts:
    """What became of each mutant, in a file that is appended to."""

    def __init__(self, tests: str, *, again: bool) -> None:
        self._tests = tests
        self._path = tree.HOME / "verdicts"
        self._found: dict[str, tuple[str, str]] = {}
        if self._path.is_file() and not again:
            for line in self._path.read_text().splitlines():
                key, verdict, by, then = json.loads(line)
                self._found.pop(key, None)
                if verdict != "survived" or then == tests:
                    self._found[key] = verdict, by

    def get(self, mutant: Mutant) -> tuple[str, str] | None:
        """Return the verdict and its reason, None if the mutant has to be tried."""
        return self._found.get(mutant.key)

    def killer(self, mutant: Mutant) -> str:
        """Return the test that failed, or nothing."""
        verdict, by = self._found.get(mutant.key, ("", ""))
        return by if verdict == "killed" else ""

    def forget(self, tests: Collection[str]) -> None:
        """Forget what failed by these tests."""
        self._found = {key: found for key, found in self._found.items() if found[1] not in tests}

    def add(self, mutant: Mutant, verdict: str, by: str) -> None:
        """Keep a verdict."""
        self._found[mutant.key] = verdict, by
        with self._path.open("a") as file:
            file.write(json.dumps([mutant.key, verdict, by, self._tests]) + "\n")


def parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    summary, _, rest = (__doc__ or "").partition("\n")
    parser = argparse.ArgumentParser(
        prog="mutate", description=summary, epilog=rest,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("paths", nargs="*", metavar="PATH", default=list(tree.SOURCES))
    parser.add_argument("--sample", type=int, metavar="N", help="so many of the faults; else all")
    parser.add_argument("--seed", type=int, metavar="N", default=0, help="which sample it is")
    parser.add_argument("--again", action="store_true", help="try those with a verdict again")
    parser.add_argument("--budget", type=float, metavar="SECONDS", default=BUDGET,
                        help="how long the tests of one may take; default %(default)s")  # fmt: skip
    parser.add_argument("--processes", type=int, metavar="N", default=os.cpu_count() or 1,
                        help="how many measure what new tests reach")  # fmt: skip
    return parser


def main(arguments: list[str]) -> int:
    """Try the mutants, and report; fails if one survives that is not marked."""
    options = parser().parse_args(arguments)
    # a shell starts what runs in the background with interrupts ignored, also for all its children
    signal.signal(signal.SIGINT, signal.default_int_handler)
    tree.make()
    found = find(options.paths)
    if options.sample is not None and options.sample < len(found):
        found = random.Random(options.seed).sample(found, options.sample)
    selection = Selection()
    selection.measure(options.processes)
    if any(mutant.path.startswith(tree.SOURCES[1]) for mutant in found):
        start_postgresql()
    verdicts = Verdicts(selection.digest, again=options.again)
    broken: list[str] = []
    while True:
        tries = [(mutant, selection.tests(mutant, broken)) for mutant in found]
        outcomes = try_all(tries, verdicts, options.budget)
        killers = sorted({by for mutant in found if (by := verdicts.killer(mutant))})
        _, failed = run_tests(killers, 600) if killers else (0, [])
        if not failed:
            return report(outcomes, options.seed)
        print("Trying again without tests that fail without any fault:", *failed, flush=True)
        broken += failed
        verdicts.forget(failed)


def try_all(
    tries: list[tuple[Mutant, list[tuple[str, float]]]], verdicts: Verdicts, budget: float
) -> list[tuple[str, Mutant]]:
    """Try every mutant that has no verdict yet, and print each verdict."""
    marks = Marks()
    outcomes = []
    for number, (mutant, tests) in enumerate(tries, 1):
        reason = marks.reason(mutant)
        known = ("marked", reason) if reason else verdicts.get(mutant)
        began = time.monotonic()
        verdict, by = known or trial(mutant, tests, budget)
        if known is None:
            verdicts.add(mutant, verdict, by)
        outcomes.append((verdict, mutant))
        took = f"{time.monotonic() - began:.0f} s"
        place = f"{number}/{len(tries)}"
        print(place, verdict, mutant.path, mutant.change, by, f"({took})", flush=True)
    return outcomes


def report(outcomes: list[tuple[str, Mutant]], seed: int) -> int:
    """Print the survivors and the summary; returns the exit status."""
    for verdict, mutant in outcomes:
        if verdict == "survived":
            print("\n".join(["", *mutant.diff]))
    counts = Counter(verdict for verdict, _ in outcomes)
    tried = len(outcomes) - counts["marked"]
    noticed = counts["killed"] + counts["timeout"]
    shares = f"{counts['killed']} killed, {counts['timeout']} timeouts"
    rest = f"{counts['survived']} survived, {counts['marked']} marked"
    share = f"{100 * noticed / max(tried, 1):.1f} % of {tried} noticed"
    print(f"\n{len(outcomes)} mutants (seed {seed}): {shares}, {rest}; {share}")
    return 1 if counts["survived"] else 0


def start_postgresql() -> None:
    """Start one PostgreSQL for all trials, unless one is named."""
    sys.path[:0] = [str(tree.ROOT / "packages" / "seamless-database" / "tests" / "support")]
    module = importlib.import_module("postgres_server")
    os.environ[module.VARIABLE] = module.server_url()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
