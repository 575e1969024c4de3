"""The database suite: its parts, each of which can be run alone by `--only NAME`."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from plan import Plan
    from sheet import Sheet

#: part -> the module that measures it
PARTS = {
    "requests": "database_rates",
    "rows": "database_rows",
    "storm": "database_storm",
    "memory": "database_memory",
    "bulk": "database_bulk",
    "workers": "database_workers",
    "redis": "database_redis",
    "postgresql": "database_postgresql",
}
#: parts that write gigabytes, and are left out of a quick look unless they are named
LONG = {"rows"}


def run(plan: Plan) -> list[Sheet]:
    """Measure every part that is wanted."""
    names = [name for name in PARTS if plan.only or not plan.quick or name not in LONG]
    sheets = []
    for name in plan.chosen("database", names):
        found: list[Sheet] = importlib.import_module(PARTS[name]).run(plan)
        sheets += found
    return sheets
