"""Benchmarks: ours beside the published packages and the physical limit, alternately.

    python3 tools/dev.py bench [SUITE] [--quick]
    python3 tools/dev.py bench [SUITE] --against COMMIT

Suites: core, database, cli, stores, evict; all of them where none is named. Prints a table of each
and writes it to docs/benchmarks.md, with the machine, the versions and the command. A quick run
takes fewer and shorter measurements, and does not write the report. With `--against`, the rows
that differ beyond noise are listed; the exit status is 3 if any is slower or larger here.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from tools.bench.against import FEWEST_ROUNDS, compare
from tools.bench.environments import PUBLISHED, ROOT, commit_of
from tools.bench.report import SUITES, Machine, command_of, section, write_section
from tools.bench.settings import QUICK_ROUNDS, ROUNDS, Plan

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tools.bench.table import Results

#: the exit status when a row is slower or larger than that of another commit
SLOWER = 3
REPORT = ROOT / "docs" / "benchmarks.md"


def machine(suite: str, plan: Plan) -> Machine:
    """Where and with what is measured."""
    return Machine(
        name=f"{processor()}, {platform.system()} {platform.release()}",
        cores=len(os.sched_getaffinity(0)),
        python=platform.python_version(),
        versions={name: version(name) for name in SUITES[suite].libraries},
        published=PUBLISHED[SUITES[suite].package] if plan.published else None,
    )


def forget_settings() -> None:
    """Take what steers Python out of the environment that every measured process inherits.

    `PYTHONDONTWRITEBYTECODE` above all: ours would be compiled anew at each start, while the
    published packages were compiled when they were installed.
    """
    for name in [name for name in os.environ if name.startswith("PYTHON")]:
        del os.environ[name]


def processor() -> str:
    """Name of the processor, as far as the kernel knows it."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def measure(suite: str, plan: Plan) -> Sequence[Results]:
    """Run one suite."""
    results: Sequence[Results] = importlib.import_module(f"tools.bench.{suite}").run(plan)
    return results


def options_of(arguments: list[str]) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n", maxsplit=1)[0])
    parser.add_argument("suite", nargs="?", choices=SUITES, help="all of them by default")
    parser.add_argument("--quick", action="store_true", help="fewer measurements, no report")
    parser.add_argument(
        "--against", metavar="COMMIT", help="beside that commit of this repository; no report"
    )
    parser.add_argument("--only", default="", metavar="TEXT", help="workloads named so; no report")
    parser.add_argument(
        "--no-published", action="store_true", help="leave the published packages out; no report"
    )
    parser.add_argument(
        "--rounds", type=int, help=f"measure so often; no report if less than {ROUNDS} times"
    )
    parser.add_argument(
        "--seconds", type=float, metavar="N", help="how long the write stress lasts"
    )
    parser.add_argument(
        "--json",
        type=Path,
        metavar="FILE",
        help="write all figures there, beside those of other suites",
    )
    parser.add_argument(
        "--report", type=Path, metavar="FILE", help="write the report there, also of such a run"
    )
    options = parser.parse_args(arguments)
    if options.against and (options.rounds or FEWEST_ROUNDS) < FEWEST_ROUNDS:
        parser.error(f"--against needs {FEWEST_ROUNDS} rounds to separate noise")
    if options.against:
        try:
            options.against = commit_of(options.against)
        except ValueError as error:
            parser.error(str(error))
    return options


def words(options: argparse.Namespace) -> list[str]:
    """Return the options that bear on the figures, as they would be given again."""
    said = [f"--{name}" for name in ("quick", "no-published") if getattr(options, _field(name))]
    for name in ("only", "rounds", "seconds"):
        if value := getattr(options, name):
            said += [f"--{name}", str(value)]
    return said


def _field(option: str) -> str:
    return option.replace("-", "_")


def run_each(arguments: list[str]) -> int:
    """Run every suite in a process of its own, so that none is in another's way.

    What one leaves in memory does not slow the next, and one that fails does not end the run.
    """
    commands = [[sys.executable, "-m", "tools.bench", suite, *arguments] for suite in SUITES]
    return max(subprocess.run(command, check=False, cwd=ROOT).returncode for command in commands)


def run_one(suite: str, plan: Plan, said: list[str]) -> tuple[str, dict[str, object]]:
    """Run one suite; returns its section of the report, and all figures."""
    parts, where = measure(suite, plan), machine(suite, plan)
    figures = {
        "command": command_of(suite, said),
        "rounds": plan.rounds,
        "machine": where.as_json(),
        "results": [part.as_json() for part in parts],
    }
    return section(suite, parts, where, plan.rounds, said), figures


def write_figures(file: Path | None, suite: str, figures: dict[str, object]) -> None:
    """Write the figures of a suite to a file, if one is given, beside those of others."""
    if file is not None:
        found = json.loads(file.read_text()) if file.is_file() else {}
        found[suite] = figures
        file.write_text(json.dumps(found, indent=2) + "\n")


def main(arguments: list[str]) -> int:
    """Run one suite or all; returns the exit status."""
    options = options_of(arguments)
    forget_settings()
    if options.suite is None:
        return run_each(arguments)
    plan = Plan(
        options.rounds or (QUICK_ROUNDS if options.quick and not options.against else ROUNDS),
        quick=options.quick,
        only=options.only,
        published=not options.no_published,
        seconds=options.seconds,
    )
    if options.against:
        slower = 0
        for changes in compare(options.suite, plan, options.against):
            print(changes.markdown(), flush=True)
            write_figures(options.json, changes.part, changes.as_json())
            slower += len(changes.slower())
        return SLOWER if slower else 0
    text, figures = run_one(options.suite, plan, words(options))
    print(text, flush=True)
    whole = not (options.quick or options.only or options.no_published) and plan.rounds >= ROUNDS
    if report := options.report or (REPORT if whole else None):
        write_section(report, options.suite, text)
    write_figures(options.json, options.suite, figures)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
