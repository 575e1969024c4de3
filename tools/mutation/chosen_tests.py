"""A pytest plugin: runs the listed tests of the given files, in the order of the list.

A fault may change the names that tests get from their parameters, and a list may be older than the
tests: where a listed test is missing, all of its function run, after the others.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

#: the file with one name of a test in each line
LIST = "MUTATION_TESTS"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep and order what is listed."""
    names = Path(os.environ[LIST]).read_text().split("\n")
    ranks = {name: rank for rank, name in enumerate(names)}
    missing = {_function(name) for name in ranks.keys() - {item.nodeid for item in items}}
    chosen = [item for item in items if item.nodeid in ranks or _function(item.nodeid) in missing]
    items[:] = sorted(chosen, key=lambda item: ranks.get(item.nodeid, len(ranks)))


def _function(name: str) -> str:
    return name.partition("[")[0]
