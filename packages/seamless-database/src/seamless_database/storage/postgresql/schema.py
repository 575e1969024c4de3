"""Schema of a PostgreSQL database: inspect its tables and their version, create or upgrade them.

A database holds the version of its schema, unlike a SQLite file, which published servers share.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from seamless_database.errors import SchemaError
from seamless_database.storage.postgresql import dialect
from seamless_database.storage.postgresql.advisory_locks import LOCK_EVERYTHING
from seamless_database.tables import TABLES

if TYPE_CHECKING:
    from seamless_database.storage.postgresql.connection import PipelineConnection
    from seamless_database.storage.postgresql.url import PostgresUrl

#: the table that holds the version, in its only row
VERSION_TABLE = "seamless_database_schema"
#: the version that a writable server creates. Older versions can be read, and a writable server
#: upgrades them: version 1 had other unique keys, version 2 no claims. A new table or column needs
#: a new version.
VERSION = 3

# one query for all tables: separate ones could see another server create them meanwhile
_PRESENT = """
SELECT relname FROM pg_class
WHERE relname = ANY (%(names)s) AND relkind IN ('r', 'p', 'v', 'f') AND pg_table_is_visible(oid)
"""
_VERSION = f"SELECT version FROM {VERSION_TABLE}"  # noqa: S608  # a name of this module
_CREATE_VERSION = f"CREATE TABLE {VERSION_TABLE} (version integer NOT NULL)"
_INSERT_VERSION = f"INSERT INTO {VERSION_TABLE} VALUES (%(version)s)"  # noqa: S608  # as above
_UPDATE_VERSION = f"UPDATE {VERSION_TABLE} SET version = %(version)s"  # noqa: S608  # as above
_LOCK_TIMEOUT = "SELECT set_config('lock_timeout', %(wait)s, true)"


def inspect(connection: PipelineConnection, url: PostgresUrl) -> int:
    """Return the version of the schema, or 0 if there are no tables.

    Raises a `SchemaError` for tables that this version cannot use.
    """
    present = _present(connection)
    if not present:
        return 0
    if VERSION_TABLE not in present:
        raise _schema_error(
            url,
            f"it has tables of another application ({', '.join(sorted(present))}), and no "
            f"{VERSION_TABLE}; give the service a database of its own",
        )
    versions = [version for (version,) in connection.command(_VERSION)]
    if len(versions) != 1 or not 1 <= versions[0] <= VERSION:
        known = f"this seamless-database knows version {VERSION}"
        if len(versions) == 1 and versions[0] > VERSION:
            raise _schema_error(url, f"its schema has version {versions[0]}, {known}; upgrade it")
        raise _schema_error(url, f"{VERSION_TABLE} holds {versions or 'no row'}, {known}")
    if versions == [VERSION] and (missing := set(TABLES) - present):
        raise _schema_error(url, f"its tables {', '.join(sorted(missing))} are missing")
    return int(versions[0])


def create(connection: PipelineConnection, url: PostgresUrl, wait: float) -> bool:
    """Create or upgrade the tables if that is needed; returns whether they were created.

    Several servers may do so at once.
    """
    if inspect(connection, url) == VERSION:
        return False
    connection.command("BEGIN")
    connection.command(_LOCK_TIMEOUT, {"wait": str(int(1000 * wait))})
    connection.command(LOCK_EVERYTHING)
    # inspected again: another server may have done it before this one got the lock
    found = inspect(connection, url)
    if found < VERSION:
        present = _present(connection)
        if found == 1:
            for text in dialect.new_long_keys(present):
                connection.command(text)
        for text in dialect.create_statements(present):
            connection.command(text)
        if not found:
            connection.command(_CREATE_VERSION)
        connection.command(_INSERT_VERSION if not found else _UPDATE_VERSION, {"version": VERSION})
    connection.command("COMMIT")
    return not found


def _present(connection: PipelineConnection) -> set[str]:
    """Return the names of those tables of this service that exist."""
    names = [VERSION_TABLE, *TABLES]
    return {name for (name,) in connection.command(_PRESENT, {"names": names})}


def _schema_error(url: PostgresUrl, reason: str) -> SchemaError:
    return SchemaError(url.redacted, reason, kind="database")
