"""Open the database that a path or a URL names: a SQLite file or a PostgreSQL database."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seamless_database.errors import OptionError, ServerError
from seamless_database.storage.backend import Durability
from seamless_database.storage.postgresql.url import PostgresUrl, is_url

if TYPE_CHECKING:
    from pathlib import Path

    from seamless_database.storage.backend import Backend
    from seamless_database.storage.sqlite.fair_lock import FairWriterLock

_SQLITE_URL = "sqlite://"
_INSTALL = "it needs: pip install 'seamless-database[postgresql]'"


def redacted(target: str) -> str:
    """Return the name of a database without its password; raises an `OptionError`."""
    return PostgresUrl.of(target).redacted if is_url(target) else target


def open_database(
    target: str | Path,
    *,
    writable: bool = False,
    durability: Durability = Durability.FULL,
    writer_lock: FairWriterLock | None = None,
) -> Backend:
    """Open the SQLite file at a path, or the PostgreSQL database at a URL.

    Raises a `StartError` if the database cannot be opened as requested.

    Parameters
    ----------
    target
        a path, or a URL in the form of SQLAlchemy: ``postgresql+psycopg://USER@HOST/DB``
    writable
        whether the database accepts writes; a writable one is created if it is missing
    durability
        what an acknowledged write survives; by default also a power failure
    writer_lock
        the lock that the worker processes of one server share: see `Database`
    """
    from seamless_database.storage.sqlite.database import Database

    text = str(target)
    if not is_url(text):
        path = file_of(target)
        return Database(path, writable=writable, durability=durability, writer_lock=writer_lock)
    try:
        from seamless_database.storage.postgresql.database import PostgresDatabase
    except ImportError as error:
        raise ServerError(redacted(text), f"{error}; {_INSTALL}") from error
    return PostgresDatabase(PostgresUrl.of(text), writable=writable, durability=durability)


def file_of(target: str | Path) -> str | Path:
    """Return the path of a SQLite URL: ``sqlite:///file``, ``sqlite:////absolute/file``."""
    if not str(target).startswith(_SQLITE_URL):
        return target
    path = str(target).removeprefix(f"{_SQLITE_URL}/")
    if not path or path == str(target):
        raise OptionError("a URL of a SQLite file looks like sqlite:///seamless.db")
    return path
