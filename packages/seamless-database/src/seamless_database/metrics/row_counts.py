"""How many rows the tables have, for those who watch: counted seldom enough to cost nothing.

A database keeps no count, and takes seconds for ten million rows. So a count is remembered for a
hundred times as long as it took, and given up when it takes too long, or when the server ends.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from sqlalchemy import func, select

from seamless_database.errors import DatabaseError
from seamless_database.request_types.statements import Statement
from seamless_database.storage.sqlite.schema import TABLES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from seamless_database.request_types.statements import InterruptibleConnection
    from seamless_database.storage.backend import Backend

#: seconds that a count may take
TIME_LIMIT = 20.0
#: seconds that those who ask wait for it
WAIT = 1.0
#: how many times longer than it took a count is remembered
TTL_FACTOR = 100

#: the statement that counts the rows of each table
COUNTS = {
    name: Statement(select(func.count()).select_from(table)) for name, table in TABLES.items()
}


class RowCounts:
    """The rows of each table, as of lately; belongs to an event loop."""

    def __init__(self, database: Backend, clock: Callable[[], float] = time.monotonic) -> None:
        self._database = database
        self._clock = clock
        self._known: Mapping[str, int] = {}
        self._next = clock()
        self._task: asyncio.Task[None] | None = None
        self._closed = False
        #: ends the count that is going on
        self._interrupt: Callable[[], None] = _nothing

    async def current(self) -> Mapping[str, int]:
        """Give what is known; at first that may be nothing, for a file that is very large."""
        if self._task is None and self._clock() >= self._next:
            self._task = asyncio.create_task(self._count())
        if self._task is not None:
            await asyncio.wait({self._task}, timeout=WAIT)
        return self._known

    def close(self) -> None:
        """Give up a count that is going on."""
        self._closed = True
        self._interrupt()

    async def _count(self) -> None:
        begun = self._clock()
        try:
            found = await asyncio.to_thread(lambda: self._database.read(self.count))
            self._known = found or {}
        except DatabaseError:
            # locked, or being closed: what was known before is told until the next attempt
            return
        finally:
            now = self._clock()
            self._next = now + TTL_FACTOR * (now - begun)
            self._task = None

    def count(
        self, connection: InterruptibleConnection, budget: float = TIME_LIMIT
    ) -> dict[str, int]:
        """Count the rows of each table; what cannot be counted in time is left out."""
        found: dict[str, int] = {}
        try:
            with connection.statement_timeout(budget) as self._interrupt:
                for name, statement in COUNTS.items():
                    if self._closed:
                        break
                    row = connection.one(statement)
                    found[name] = row[0] if row else 0
        except Exception as error:
            if not connection.is_timeout(error):
                raise
        finally:
            # from here on it would hit what others do with the connection
            self._interrupt = _nothing
        return found


def _nothing() -> None:
    """There is no count to end."""
