"""Where a database is, a file or a PostgreSQL, and what the sub-commands do with either.

What is a URL is opened by `opening_postgresql`, and anything else as a file, by `opening`. The
former is loaded when there is a URL only, because it needs a library that is not everywhere.
"""

from __future__ import annotations

from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from seamless_database.admin.access import snapshot, sqlite
from seamless_database.admin.access.dialects import is_sqlite
from seamless_database.errors import OptionError
from seamless_database.storage.open import file_of
from seamless_database.storage.postgresql.url import PostgresUrl, is_url

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from sqlalchemy import Connection

    from seamless_database.admin.progress import ProgressBars

DatabaseTarget: TypeAlias = Path | PostgresUrl


def place(text: str) -> DatabaseTarget:
    """Take an argument of the command line; raises an `OptionError` for an impossible URL."""
    if text.startswith("sqlite:") or not is_url(text):
        return Path(file_of(text))
    found = PostgresUrl.of(text)
    if find_spec("psycopg") is None:
        raise OptionError("PostgreSQL needs more: pip install 'seamless-database[postgresql]'")
    return found


def shown(where: DatabaseTarget) -> str:
    """Name a place in a message; without the password."""
    return where.redacted if isinstance(where, PostgresUrl) else str(where)


def reading(
    where: DatabaseTarget, progress: Callable[[int, int], None] | None = None
) -> AbstractContextManager[Connection]:
    """Open a database to look at it, as of one moment, in nobody's way."""
    if isinstance(where, Path):
        return sqlite.reading(where, progress)
    from seamless_database.admin.access import postgresql

    return postgresql.reading(where)


def changing(where: DatabaseTarget) -> AbstractContextManager[Connection]:
    """Open a database to change it; nobody else can meanwhile."""
    if isinstance(where, Path):
        return sqlite.changing(where)
    from seamless_database.admin.access import postgresql

    return postgresql.changing(where)


def trying(where: DatabaseTarget, doing: ProgressBars) -> AbstractContextManager[Connection]:
    """Open a temporary copy of a database, for a dry run; it is a file, whatever it was made of."""
    if isinstance(where, Path):
        return sqlite.scratch(where)
    return _scratch(where, doing)


@contextmanager
def transaction(connection: Connection) -> Iterator[None]:
    """Do everything inside, or nothing; on PostgreSQL, all of a change is one transaction."""
    if is_sqlite(connection):
        with sqlite.transaction(connection):
            yield
    else:
        yield


def sizes(connection: Connection, where: DatabaseTarget) -> dict[str, Any]:
    """Bytes that a database takes up, by what takes them."""
    if isinstance(where, Path):
        return sqlite.sizes(connection, where)
    from seamless_database.admin.access import postgresql

    return postgresql.sizes(connection)


@contextmanager
def _scratch(address: PostgresUrl, doing: ProgressBars) -> Iterator[Connection]:
    with reading(address) as source, snapshot.scratch(source, address, doing) as copy:
        yield copy
