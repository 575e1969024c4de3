"""Go through tables of any size with little memory, and read what lies in them."""

from __future__ import annotations

import json
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

from seamless_database.admin.interruption import INTERRUPTION
from seamless_database.models import TABLES

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator

    from sqlalchemy import Connection, Executable, Table

    from seamless_database.models import Base

T = TypeVar("T")

#: rows that are held at once, and changed in one transaction
BATCH = 500


def stream(connection: Connection, statement: Executable) -> Generator[Any]:
    """Give the rows of a query as they are read."""
    result = connection.execute(statement, execution_options={"yield_per": BATCH})
    try:
        for row in result:
            INTERRUPTION.check()
            yield row
    finally:
        # after an error elsewhere, Python can end this generator later than the connection
        if not connection.closed:
            result.close()


def as_mapping(connection: Connection, statement: Executable) -> dict[str, Any]:
    """Give the rows of a query for two columns as a dictionary."""
    return dict(map(tuple, connection.execute(statement)))


def table_of(model: type[Base]) -> Table:
    """Take the table of a model: its columns are called as they are in the file."""
    return TABLES[model.__tablename__]


def in_batches(items: Iterable[T], size: int = BATCH) -> Iterator[list[T]]:
    """Group items; the last group may be smaller."""
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch


def as_object(text: object) -> dict[str, Any] | None:
    """Read stored JSON that should be an object; None if it is anything else."""
    value = as_json(text)
    return value if isinstance(value, dict) else None


def as_json(text: object) -> Any:
    """Read stored JSON; an `Ellipsis`, which JSON does not have, for what is none."""
    if not isinstance(text, str):
        return ...
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return ...
