"""Run the golden and protocol tests with the oldest and the newest libraries that are supported.

    hatch run matrix [oldest|newest]... [--dry-run]

The oldest are the lower bounds in the two pyproject.toml, the newest what the package index has.
The environments lie below .dev/. The outcome goes into the table of the root README when both rows
have been run; with --dry-run nothing is written.
"""

from __future__ import annotations

import argparse
import importlib
import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING

from tools.compat.readme_tables import ROOT, Outcome, run_tests, table, write

if TYPE_CHECKING:
    from pathlib import Path

#: library -> the package that requires it, and whose bytes or responses depend on it
LIBRARIES = {
    "numpy": "seamless-core",
    "orjson": "seamless-core",
    "sqlalchemy": "seamless-database",
    "starlette": "seamless-database",
    "uvicorn": "seamless-database",
    "httptools": "seamless-database",
}
ROWS = ("oldest", "newest")
HOME = ROOT / ".dev" / str(sys.implementation.cache_tag) / "matrix"
#: the exact bytes of every cell type, every request that was recorded, and HTTP connections
TESTS = (
    "packages/seamless-core/tests/test_golden.py",
    "packages/seamless-core/tests/test_golden_recorded.py",
    "packages/seamless-core/tests/checksum/conversion/test_recorded.py",
    "packages/seamless-core/tests/util/mixed/test_mixed.py",
    "packages/seamless-database/tests/http/test_connection.py",
    "packages/seamless-database/tests/http/test_limits.py",
    "packages/seamless-database/tests/protocol/test_request.py",
    "packages/seamless-database/tests/request_types/test_request_types.py",
    "packages/seamless-database/tests/request_types/test_results.py",
    "packages/seamless-database/tests/request_types/test_transcript.py",
)


def dependencies(package: str) -> list[str]:
    """Read what a package asks for."""
    toml = importlib.import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")
    content = toml.loads((ROOT / "packages" / package / "pyproject.toml").read_text())
    return list(content["project"]["dependencies"])


def lower_bounds() -> dict[str, str]:
    """Read the lower bound of each library."""
    bounds = {}
    for library, package in LIBRARIES.items():
        (bound,) = (
            match[1]
            for requirement in dependencies(package)
            if (match := re.fullmatch(rf"{library}>=([0-9.]+)(,<.*)?", requirement))
        )
        bounds[library] = bound
    return bounds


def make(row: str) -> Path:
    """Make the environment of a row, or bring it up to date; returns its Python."""
    folder = HOME / row
    python = folder / "bin" / "python"
    if not python.is_file():
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
    pins = [f"{name}=={bound}" for name, bound in lower_bounds().items() if row == "oldest"]
    wanted = ["pytest>=8", "hypothesis>=6.100", *(pins or LIBRARIES)]
    for package in sorted(set(LIBRARIES.values())):
        wanted += dependencies(package)
    # a version without a wheel for this Python is not tried: building it can take an hour
    binary = ["--only-binary", ",".join(LIBRARIES)]
    words = ["-m", "pip", "--disable-pip-version-check", "install", "-q", "--upgrade", *binary]
    subprocess.run([str(python), *words, *wanted], check=True)
    return python


def versions(python: Path) -> list[str]:
    """Ask an environment which versions of the libraries it has."""
    script = "import importlib.metadata as m, sys; print(*map(m.version, sys.argv[1:]))"
    words = [str(python), "-c", script, *LIBRARIES]
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout.split()


def run_row(row: str) -> tuple[list[str], Outcome]:
    """Run the tests of one row; returns its versions and what came out."""
    python = make(row)
    sources = [ROOT / "packages" / package / "src" for package in sorted({*LIBRARIES.values()})]
    path = os.pathsep.join(map(str, sources))
    return versions(python), run_tests(python, TESTS, {"PYTHONPATH": path})


def main(arguments: list[str]) -> int:
    """Run the rows; returns 1 when a test has failed."""
    parser = argparse.ArgumentParser(prog="matrix", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("row", nargs="*", choices=[*ROWS, []], help="which rows, default: both")
    parser.add_argument("--dry-run", action="store_true", help="leave the README as it is")
    options = parser.parse_args(arguments)
    found = {}
    for row in options.row or ROWS:
        found[row] = run_row(row)
        print(f"{row}: {' '.join(found[row][0])}: {found[row][1]}", flush=True)
    if set(found) == set(ROWS) and not options.dry_run:
        columns = [found[row] for row in ROWS]
        lines = [[name, *(v[i] for v, _ in columns)] for i, name in enumerate(LIBRARIES)]
        results = ["golden bytes and protocol tests", *(outcome for _, outcome in columns)]
        write("matrix", table([["library", *ROWS], *lines, results]))
    return int(any(outcome.failed for _, outcome in found.values()))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
