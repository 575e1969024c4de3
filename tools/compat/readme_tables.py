"""Test runs as rows of a table: call pytest, count what came out, write the README's section.

Shared by `companions` (published packages) and `libraries`. A section stands between two
comments of the root README, so that only a run changes it.
"""

from __future__ import annotations

import datetime
import os
import re
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"


@dataclass(frozen=True)
class Outcome:
    """How many tests passed, were skipped, and failed; a run that broke off has failed too."""

    passed: int
    skipped: int
    failed: int

    def __str__(self) -> str:
        """Show what the table says: what is zero goes without saying."""
        parts = {"passed": self.passed, "skipped": self.skipped, "**failed**": self.failed}
        return ", ".join(f"{number} {word}" for word, number in parts.items() if number)


def run_tests(python: Path, tests: Sequence[str], variables: Mapping[str, str]) -> Outcome:
    """Run tests with one Python; what pytest says goes to the terminal."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        words = [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junit-xml={report}"]
        done = subprocess.run(
            [*map(str, words), *tests], cwd=ROOT, env={**os.environ, **variables}, check=False
        )
        cases = ET.parse(report).iter("testcase") if report.is_file() else ()
        found = Counter(_result(case) for case in cases)
    failed = found["failed"] or int(done.returncode != 0)
    return Outcome(found["passed"], found["skipped"], failed)


def _result(case: ET.Element) -> str:
    if case.find("failure") is not None or case.find("error") is not None:
        return "failed"
    return "passed" if case.find("skipped") is None else "skipped"


def table(rows: Sequence[Sequence[object]]) -> str:
    """Write a table in Markdown; the first row is its head."""
    head, *body = rows
    lines = [head, ["---"] * len(head), *body]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def write(section: str, content: str) -> None:
    """Replace a section of the README by the outcome of this run."""
    pattern = rf"(<!-- {section}: [^\n]* -->\n).*?(<!-- end of {section} -->)"
    today = datetime.datetime.now(tz=datetime.timezone.utc).date().isoformat()
    python = ".".join(map(str, sys.version_info[:2]))
    text = f"{content}\n\nLast run: {today}, Python {python}.\n"
    readme, count = re.subn(
        pattern, lambda found: found[1] + text + found[2], README.read_text(), flags=re.DOTALL
    )
    if not count:
        raise SystemExit(f"Error: README.md has no section {section!r}")
    README.write_text(readme)
