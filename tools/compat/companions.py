"""Run the tests against the published companion packages on each row of companions.toml.

    hatch run compat [ROW...] [--dry-run]

Each row gets an environment of its own, made by the tests themselves below .dev/, in which the
wheels of both packages stand beside the companions' versions of that row. The outcome goes into the
table of the root README, which names the rows that were not run; with --dry-run it stays as it is.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from pathlib import Path
from typing import Any

from tools.compat.readme_tables import ROOT, Outcome, run_tests, table, write

TESTS = "tests-integration/companions"
#: the environment variable that names the row to the tests
ROW = "SEAMLESS_COMPAT_ROW"


def read_rows() -> dict[str, dict[str, str]]:
    """Read which versions each row has."""
    toml = importlib.import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")
    content: dict[str, Any] = toml.loads(
        (ROOT / "tools" / "compat" / "companions.toml").read_text()
    )
    rows: dict[str, dict[str, str]] = content["rows"]
    return rows


def draw(rows: dict[str, dict[str, str]], outcomes: dict[str, Outcome]) -> str:
    """Draw a line for each companion package, a column for each row, and what came out."""
    names = sorted({name for versions in rows.values() for name in versions})
    lines = [[name, *(versions.get(name, "") for versions in rows.values())] for name in names]
    results = ["tests of the wheels beside them", *(outcomes.get(row, "not run") for row in rows)]
    return table([["published companion package", *rows], *lines, results])


def main(arguments: list[str]) -> int:
    """Run the rows; returns 1 when a test has failed."""
    rows = read_rows()
    parser = argparse.ArgumentParser(prog="compat", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("row", nargs="*", choices=[*rows, []], help="which rows, default: all")
    parser.add_argument("--dry-run", action="store_true", help="leave the README as it is")
    options = parser.parse_args(arguments)
    outcomes = {}
    for row in options.row or rows:
        outcomes[row] = run_tests(Path(sys.executable), [TESTS], {ROW: row})
        print(f"{row}: {outcomes[row]}", flush=True)
    if not options.dry_run:
        write("compat", draw(rows, outcomes))
    return int(any(outcome.failed for outcome in outcomes.values()))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
