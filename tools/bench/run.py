"""Benchmarks: ours beside the published packages and the physical limit, alternately.

    hatch run bench core [--quick]       seamless-core
    hatch run bench database [--quick]   seamless-database

Prints a table and writes it to tools/BENCHMARKS.md, with the machine and the versions.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import re
import sys
from importlib.metadata import version
from pathlib import Path

from table import Row, geometric_mean, markdown

REPORT = Path(__file__).resolve().parents[1] / "BENCHMARKS.md"
SUITES = ("core", "database")
ROUNDS, QUICK_ROUNDS = 5, 3
LIBRARIES = {
    "core": ("seamless-core", "numpy", "orjson"),
    "database": ("seamless-database", "starlette", "uvicorn", "uvloop", "sqlalchemy"),
}


def machine(suite: str) -> str:
    """One line about where and with what was measured."""
    versions = ", ".join(f"{name} {version(name)}" for name in LIBRARIES[suite])
    cores = len(os.sched_getaffinity(0))
    return f"{platform.machine()}, {cores} cores, Python {platform.python_version()}; {versions}"


def section(suite: str, rows: list[Row], rounds: int) -> str:
    """The part of the report that belongs to one suite."""
    lines = [
        f"## {suite}",
        "",
        f"`hatch run bench {suite}`, medians of {rounds} rounds; {machine(suite)}.",
        "",
        markdown(rows),
    ]
    if any(row.published for row in rows):
        lines += ["", f"Geometric mean over published: {geometric_mean(rows):.2f}×."]
    return "\n".join(lines) + "\n"


def write_report(suite: str, text: str) -> None:
    """Replace the section of one suite in the report."""
    found = REPORT.read_text() if REPORT.is_file() else "# Benchmarks\n\n"
    pattern = re.compile(rf"^## {suite}\n.*?(?=^## |\Z)", re.DOTALL | re.MULTILINE)
    found = pattern.sub(lambda _: text, found) if pattern.search(found) else f"{found}{text}\n"
    REPORT.write_text(found.rstrip("\n") + "\n")


def main() -> int:
    """Run one suite; returns the exit status."""
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n", maxsplit=1)[0])
    parser.add_argument("suite", choices=SUITES)
    parser.add_argument("--quick", action="store_true", help="fewer rounds, no report")
    parser.add_argument("--json", type=Path, help="also write the medians to this file")
    options = parser.parse_args()
    rounds = QUICK_ROUNDS if options.quick else ROUNDS
    rows = importlib.import_module(options.suite).run(rounds)
    text = section(options.suite, rows, rounds)
    print(text)
    if options.json:
        options.json.write_text(json.dumps([row.as_json() for row in rows], indent=2) + "\n")
    if not options.quick:
        write_report(options.suite, text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
