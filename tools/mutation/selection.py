"""Which tests reach which function, measured once, and the order in which a mutant meets them.

Only test files that are new or changed are measured again. A function is known by its module and
qualified name, so that lines may move.
"""

from __future__ import annotations

import ast
import hashlib
import json
import shutil
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import coverage

from tools.mutation.tests_reached import CONTEXT, OUTCOMES
from tools.mutation.tree import HOME, SOURCES, TREE, run_pytest

if TYPE_CHECKING:
    from collections.abc import Collection

    from tools.mutation.mutants import Mutant

#: about wheels, companion packages and measurements, not about the behaviour of a function
LEFT_OUT = (
    "tests-integration/companions/*",
    "tests-integration/test_bench*.py",
    "tests-integration/test_cache_simulation.py",
    "tests-integration/test_demo.py",
    "tests-integration/test_distributions.py",
    "tests-integration/test_matrix.py",
    "tests-integration/test_mutate.py",
    "tests-integration/test_release.py",
    "tests-integration/test_static_types.py",
)
FOLDERS = ("packages/seamless-core/tests", "packages/seamless-database/tests", "tests-integration")
#: exit statuses of pytest after every test has run: whether all have passed, or some have not
COMPLETE = (0, 1)
_STORE = HOME / "reached.json"
_SETTINGS = """[run]
parallel = true
data_file = {data}
context = ${{{context}-}}
patch = _exit, fork
include = {include}
disable_warnings = no-data-collected
"""


class Selection:
    """The tests of each file that passed: their duration and the functions that they reach."""

    def __init__(self) -> None:
        self._files: dict[str, dict[str, object]] = {}
        if _STORE.is_file():
            self._files = json.loads(_STORE.read_text())

    def measure(self, processes: int) -> None:
        """Run the tests of every file that is not known as it is."""
        known = {name: entry["digest"] for name, entry in self._files.items()}
        now = {name: hashlib.sha256((TREE / name).read_bytes()).hexdigest() for name in _files()}
        self._files = {name: self._files[name] for name in now if name in known}
        changed = [name for name, digest in now.items() if known.get(name) != digest]
        if changed:
            print(f"Measuring what {len(changed)} test files reach", flush=True)
            for name, entry in _measured(changed, processes).items():
                self._files[name] = {"digest": now[name], **entry}
            _STORE.write_text(json.dumps(self._files))

    @property
    def digest(self) -> str:
        """A name of the tests as they are."""
        digests = sorted(str(entry["digest"]) for entry in self._files.values())
        return hashlib.sha256("".join(digests).encode()).hexdigest()[:16]

    def tests(self, mutant: Mutant, left_out: Collection[str]) -> list[tuple[str, float]]:
        """List the tests that reach a mutant with their seconds, the likeliest to fail first.

        The first test of each test function comes before the second of any; among those, files
        named like the module come first, then tests that reach it in their own process, then
        quick ones.
        """
        found = []
        if mutant.function:
            found = self._reaching(mutant.path, f"{mutant.path}::{mutant.function}")
        if not found:  # a module's own statements count anywhere, and a function may be new
            found = self._reaching(mutant.path, f"{mutant.path}::", others=True)
        found.sort()
        seen: Counter[str] = Counter()
        ranked = []
        for place, (*_, duration, test) in enumerate(found):
            name = test.partition("[")[0]
            ranked.append((seen[name], place, test, duration))
            seen[name] += 1
        return [(test, duration) for *_, test, duration in sorted(ranked) if test not in left_out]

    def _reaching(
        self, path: str, wanted: str, *, others: bool = False
    ) -> list[tuple[bool, bool, bool, float, str]]:
        """List the tests that reach a function, or a name that begins so, with their ranks."""
        module, folder = f"_{Path(path).stem.strip('_')}_", Path(path).parts[-2]
        exact = not wanted.endswith("::")

        def reaches(names: list[str]) -> bool:
            return wanted in names if exact else any(name.startswith(wanted) for name in names)

        found = []
        for file, entry in self._files.items():
            reached: dict[str, list[str]] = entry["reached"]  # type: ignore[assignment]
            seconds: dict[str, float] = entry["seconds"]  # type: ignore[assignment]
            by_subprocess = reaches(reached.get(file, []))
            # a subprocess that is killed does not report what it has reached
            named = module in f"{Path(file).stem}_"
            near = named or folder in Path(file).parts
            others_here = others and (near or file.startswith(path.partition("src/")[0]))
            for test, duration in seconds.items():
                directly = reaches(reached.get(test, []))
                if directly or by_subprocess or named or others_here:
                    found.append((not named, not near, not directly, duration, test))
        return found


def _files() -> list[str]:
    names = [
        path.relative_to(TREE)
        for folder in FOLDERS
        for path in sorted((TREE / folder).glob("**/test_*.py"))
    ]
    return [str(path) for path in names if not any(path.match(out) for out in LEFT_OUT)]


def _measured(files: list[str], processes: int) -> dict[str, dict[str, object]]:
    """Run test files under coverage; returns what the tests of each reach, and their durations."""
    folder = HOME / "coverage"
    shutil.rmtree(folder, ignore_errors=True)
    start = HOME / "start"
    start.mkdir(parents=True, exist_ok=True)
    (start / "sitecustomize.py").write_text("import coverage\ncoverage.process_startup()\n")
    folder.mkdir()
    settings = folder / "settings"
    include = ", ".join(f"{TREE / at}/*" for at in SOURCES)
    data = folder / "data"
    settings.write_text(_SETTINGS.format(data=data, context=CONTEXT, include=include))
    outcomes = folder / "outcomes"
    variables = {"COVERAGE_PROCESS_START": str(settings), OUTCOMES: str(outcomes)}
    parallel = ["-n", str(processes), "--dist", "loadfile"] if processes > 1 else []
    words = ["-p", "tools.mutation.tests_reached", *parallel, *files]
    status, output = run_pytest(words, timeout=7200, variables=variables)
    shutil.rmtree(start)
    if status not in COMPLETE:
        raise SystemExit(f"Error: not every test has run (status {status}):\n{output[-4000:]}")
    print(output.strip().rpartition("\n")[2], flush=True)
    combined = coverage.Coverage(data_file=str(data), config_file=str(settings))
    combined.combine()
    seconds, failed = _outcomes(outcomes)
    reached = _reached(combined.get_data())
    result: dict[str, dict[str, object]] = {}
    for file in files:
        own = {test for test in seconds if test.startswith(f"{file}::")} - failed
        result[file] = {
            "seconds": {test: round(seconds[test], 3) for test in sorted(own)},
            "reached": {name: reached[name] for name in sorted({*own, file} & set(reached))},
        }
    return result


def _outcomes(path: Path) -> tuple[Counter[str], set[str]]:
    seconds: Counter[str] = Counter()
    failed = set()
    for line in path.read_text().splitlines():
        test, duration, outcome = json.loads(line)
        seconds[test] += duration
        if outcome == "failed":
            failed.add(test)
    return seconds, failed


def _reached(data: coverage.CoverageData) -> dict[str, list[str]]:
    """Return the functions that each context reaches."""
    reached: dict[str, set[str]] = {}
    for measured in data.measured_files():
        path = Path(measured).relative_to(TREE)
        functions = _functions_of_lines((TREE / path).read_text())
        for line, contexts in data.contexts_by_lineno(measured).items():
            if name := functions.get(line):
                for context in contexts:
                    reached.setdefault(context.rpartition("|")[2], set()).add(f"{path}::{name}")
    return {context: sorted(names) for context, names in reached.items()}


def _functions_of_lines(source: str) -> dict[int, str]:
    lines: dict[int, str] = {}

    def visit(node: ast.AST, name: str) -> None:
        for child in ast.iter_child_nodes(node):
            inner = name
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                inner = f"{name}.{child.name}".lstrip(".")
                if not isinstance(child, ast.ClassDef):
                    first, last = child.body[0].lineno, child.end_lineno or 0
                    lines.update(dict.fromkeys(range(first, last + 1), inner))
            visit(child, inner)

    visit(ast.parse(source), "")
    return lines
