"""Where a test keeps its database: a file, or a PostgreSQL database, that it can look into."""

from __future__ import annotations

import atexit
import functools
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy
from postgres_server import fresh_database
from sqlalchemy.pool import NullPool

from seamless_database.storage.open import open_database
from seamless_database.tables import TABLES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seamless_database.storage.backend import Backend

#: what a test is parametrized with to run on both
BACK_ENDS = ("sqlite", "postgresql")


@dataclass(frozen=True)
class DatabaseUnderTest:
    """One database, by the name that a server is started with."""

    target: str

    @property
    def is_file(self) -> bool:
        return "://" not in self.target

    def open(self, *, writable: bool = True) -> Backend:
        return open_database(self.target, writable=writable)

    def insert(self, table: str, *values: str | int | None) -> None:
        """Insert a row behind the back of any server; an id that is None is made up."""
        names = [column.name for column in TABLES[table].columns]
        row = dict(zip(names, values, strict=True))
        if row.get("id", 0) is None:
            del row["id"]
        with self._engine.begin() as connection:
            connection.execute(sqlalchemy.insert(TABLES[table]).values(**_named(table, row)))

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        with self._engine.begin() as connection:
            return [tuple(row) for row in connection.exec_driver_sql(sql)]

    def count(self, table: str) -> int:
        ((number,),) = self.rows(f"SELECT count(*) FROM {table}")
        return int(number)

    def change(self, *commands: str) -> None:
        with self._engine.begin() as connection:
            for command in commands:
                connection.exec_driver_sql(command)

    def empty(self) -> None:
        """Remove every row."""
        self.change(*(f"DELETE FROM {table}" for table in TABLES))

    @cached_property
    def _engine(self) -> sqlalchemy.Engine:
        url = f"sqlite:///{self.target}" if self.is_file else self.target
        options = {"timeout": 30} if self.is_file else {}
        return sqlalchemy.create_engine(url, poolclass=NullPool, connect_args=options)


@contextmanager
def lasting_place(back_end: str, folder: Path) -> Iterator[DatabaseUnderTest]:
    """Give an empty database for many tests; a file does not exist yet."""
    if back_end == "sqlite":
        yield DatabaseUnderTest(str(folder / "seamless.db"))
        return
    with fresh_database() as url:
        yield DatabaseUnderTest(url)


@contextmanager
def fresh_place(back_end: str, folder: Path) -> Iterator[DatabaseUnderTest]:
    """Give an empty database for one test, until the next one asks for one."""
    if back_end == "sqlite":
        yield DatabaseUnderTest(str(folder / "seamless.db"))
        return
    place = DatabaseUnderTest(_database_of_this_process())
    place.change("DROP SCHEMA public CASCADE", "CREATE SCHEMA public")
    yield place


@functools.cache
def _database_of_this_process() -> str:
    """Make a database for one test after the other: to empty one is quicker than to make one."""
    ending = ExitStack()
    url = ending.enter_context(fresh_database())
    # before the server ends, which has registered itself already
    atexit.register(ending.close)
    return url


def _named(table: str, row: dict[str, Any]) -> dict[str, Any]:
    # a column may be called differently in its model
    return {column.key: row[column.name] for column in TABLES[table].columns if column.name in row}
