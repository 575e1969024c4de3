"""The faults that no test can or should notice, as `marked.toml` lists them.

A `mutant` is one fault. The `names` of a `tuned` entry are constants of a module or class, or
functions, whose exact numbers do not matter: no fault of these numbers counts.
"""

from __future__ import annotations

import ast
import functools
import importlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tools.mutation.mutants import Mutant

FILE = Path(__file__).with_name("marked.toml")


class Marks:
    """The marked faults, and why each is marked."""

    def __init__(self) -> None:
        toml = importlib.import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")
        entries = toml.loads(FILE.read_text())
        self._changes: dict[tuple[str, str], str] = {
            (entry["path"], entry["change"]): entry["reason"] for entry in entries.get("mutant", ())
        }
        self._tuned: dict[tuple[str, str], str] = {
            (entry["path"], name): entry["reason"]
            for entry in entries.get("tuned", ())
            for name in entry["names"]
        }

    def reason(self, mutant: Mutant) -> str | None:
        """Return why a fault is marked; None if it is not."""
        names = names_of(mutant) if mutant.kind == "constant" else ()
        tuned = (self._tuned.get((mutant.path, name)) for name in names)
        return self._changes.get((mutant.path, mutant.change)) or next(filter(None, tuned), None)


def names_of(mutant: Mutant) -> tuple[str, ...]:
    """Return the function that a fault is in, or the names that are assigned there."""
    if mutant.function:
        return (mutant.function,)
    line = mutant.source.encode()[: mutant.start].count(b"\n") + 1
    for first, last, names in _assignments(mutant.source):
        if first <= line <= last:
            return names
    return ()


@functools.cache
def _assignments(source: str) -> list[tuple[int, int, tuple[str, ...]]]:
    """List the first and the last line of each assignment of a module, and its names."""
    return [
        (node.lineno, node.end_lineno or node.lineno, tuple(_names(node)))
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Assign | ast.AnnAssign)
    ]


def _names(node: ast.Assign | ast.AnnAssign) -> Iterator[str]:
    for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
        for part in target.elts if isinstance(target, ast.Tuple) else [target]:
            if isinstance(part, ast.Name):
                yield part.id
