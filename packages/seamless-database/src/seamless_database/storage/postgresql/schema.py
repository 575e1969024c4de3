"""Create the tables of a database, once, or recognise them; refuse what is not ours, loudly.

Unlike a SQLite file, which published servers share, a database carries the version of its schema.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from seamless_database.errors import SchemaError
from seamless_database.storage.postgresql import dialect
from seamless_database.storage.postgresql.writer import GLOBAL_LOCK
from seamless_database.storage.sqlite.schema import TABLES

if TYPE_CHECKING:
    from seamless_database.storage.postgresql.connection import PipelineConnection
    from seamless_database.storage.postgresql.url import PostgresUrl

#: the table that holds the version, in its only row
VERSION_TABLE = "seamless_database_schema"
#: the version that this code writes; it reads version 1 too, which has other unique keys
VERSION = 2

# one snapshot tells of all of them: to ask for each by its name would see others' half-done work
_PRESENT = """
SELECT relname FROM pg_class
WHERE relname = ANY (%(names)s) AND relkind IN ('r', 'p', 'v', 'f') AND pg_table_is_visible(oid)
"""
_VERSION = f"SELECT version FROM {VERSION_TABLE}"  # noqa: S608  # a name of ours
_CREATE_VERSION = f"CREATE TABLE {VERSION_TABLE} (version integer NOT NULL)"
_INSERT_VERSION = f"INSERT INTO {VERSION_TABLE} VALUES (%(version)s)"  # noqa: S608  # as above
_UPDATE_VERSION = f"UPDATE {VERSION_TABLE} SET version = %(version)s"  # noqa: S608  # as above
_LOCK = "SELECT pg_advisory_xact_lock(%(everything)s)"
_LIMIT = "SELECT set_config('lock_timeout', %(wait)s, true)"


def inspect(session: PipelineConnection, address: PostgresUrl) -> int:
    """Give the version of the tables, 0 if there are none.

    Raises `SchemaError` for those that we must not touch.
    """
    names = [VERSION_TABLE, *TABLES]
    present = {name for (name,) in session.command(_PRESENT, {"names": names})}
    if not present:
        return 0
    if VERSION_TABLE not in present:
        raise _refusal(
            address,
            f"it has tables of somebody else ({', '.join(sorted(present))}), and no "
            f"{VERSION_TABLE}; give the service a database of its own",
        )
    versions = [version for (version,) in session.command(_VERSION)]
    if versions not in ([1], [VERSION]):
        known = f"this seamless-database knows version {VERSION}"
        if len(versions) == 1 and versions[0] > VERSION:
            raise _refusal(address, f"its schema has version {versions[0]}, {known}; upgrade it")
        raise _refusal(address, f"{VERSION_TABLE} holds {versions or 'no row'}, {known}")
    if missing := set(TABLES) - present:
        raise _refusal(address, f"its tables {', '.join(sorted(missing))} are missing")
    return int(versions[0])


def create(session: PipelineConnection, address: PostgresUrl, wait: float) -> bool:
    """Create the tables, or upgrade them, if need be; several servers may do so at once.

    Returns whether they were created.
    """
    if inspect(session, address) == VERSION:
        return False
    session.command("BEGIN")
    session.command(_LIMIT, {"wait": str(int(1000 * wait))})
    session.command(_LOCK, {"everything": GLOBAL_LOCK})
    # looked at again: another server may have done it before we got the lock
    found = inspect(session, address)
    if not found:
        for text in (*dialect.create_statements(), _CREATE_VERSION):
            session.command(text)
        session.command(_INSERT_VERSION, {"version": VERSION})
    elif found < VERSION:
        for text in dialect.new_long_keys():
            session.command(text)
        session.command(_UPDATE_VERSION, {"version": VERSION})
    session.command("COMMIT")
    return not found


def _refusal(address: PostgresUrl, reason: str) -> SchemaError:
    return SchemaError(address.shown, reason, kind="database")
