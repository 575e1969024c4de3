"""Parse which database a command line names: the path of a SQLite file, or a PostgreSQL URL."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TypeAlias

from seamless_database.errors import OptionError
from seamless_database.storage.open import file_of
from seamless_database.storage.postgresql.url import PostgresUrl, is_url

DatabaseTarget: TypeAlias = Path | PostgresUrl


def parse_target(text: str) -> DatabaseTarget:
    """Parse a path or a URL; raises an `OptionError` for an invalid URL."""
    if text.startswith("sqlite:") or not is_url(text):
        return Path(file_of(text))
    url = PostgresUrl.of(text)
    if find_spec("psycopg") is None:
        raise OptionError("PostgreSQL needs more: pip install 'seamless-database[postgresql]'")
    return url


def display_name(database: DatabaseTarget) -> str:
    """Return the name of a database for messages, without the password."""
    return database.redacted if isinstance(database, PostgresUrl) else str(database)
