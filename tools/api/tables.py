"""The tables of the database file: clients of other versions open the same file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seamless_database import models

if TYPE_CHECKING:
    from tools.api.packages import Package


def collect(package: Package) -> dict[str, str]:
    """Return every table and column; nothing for a package without tables."""
    if package.short != "database":
        return {}
    found = {}
    for table in models.Base.metadata.tables.values():
        found[str(table.name)] = "table"
        for column in table.columns:
            words = [str(column.type)]
            words += ["not null"] if not column.nullable else []
            words += ["primary key"] if column.primary_key else []
            found[f"{table.name}.{column.name}"] = " ".join(words)
    return dict(sorted(found.items()))
