"""Rows that were found, kept by their address in a temporary table: flat memory, however many.

Finding is one pass; acting on what was found goes chunk by chunk, each a short transaction on a
file. The temporary table belongs to the connection, and to whoever may write.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import Column, Integer, MetaData, Table, delete, func, insert, select

from seamless_database.admin.access.dialects import RowAddress, address_of
from seamless_database.admin.access.rows import BATCH, in_batches

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sqlalchemy import Connection, Select

    from seamless_database.models import Base

FOUND = Table(
    "seamless_found",
    MetaData(),
    Column("position", Integer, primary_key=True),
    Column("address", RowAddress),
    prefixes=["TEMPORARY"],
)


def addresses(model: type[Base], *columns: Any) -> Select[Any]:
    """Ask for the addresses of rows of a table, and for columns of it."""
    return select(address_of(model), *columns).select_from(model)


class RowSelection:
    """The addresses of rows of one table; one at a time for each connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        FOUND.create(connection, checkfirst=False)

    def fill(self, selected: Select[Any]) -> int:
        """Remember rows whose addresses the query gives, instead of others; returns how many."""
        self._connection.execute(delete(FOUND))
        self._connection.execute(insert(FOUND).from_select(["address"], selected))
        return self._count()

    def collect(self, found: Iterable[Any]) -> int:
        """Remember rows by their addresses, instead of others; returns how many."""
        self._connection.execute(delete(FOUND))
        for batch in in_batches(found):
            self._connection.execute(insert(FOUND), [{"address": address} for address in batch])
        return self._count()

    def chunks(self) -> Iterator[list[Any]]:
        """Give some of the addresses at a time, together all."""
        last = 0
        while True:
            statement = (
                select(FOUND.c.position, FOUND.c.address)
                .where(FOUND.c.position > last)
                .order_by(FOUND.c.position)
                .limit(BATCH)
            )
            rows = self._connection.execute(statement).all()
            if not rows:
                return
            last = rows[-1][0]
            yield [address for _, address in rows]

    def close(self) -> None:
        """Forget them."""
        FOUND.drop(self._connection)

    def _count(self) -> int:
        return int(self._connection.scalar(select(func.count()).select_from(FOUND)) or 0)
