"""Create the tables of a database, once, or recognise them; refuse what is not ours, loudly.

Unlike a SQLite file, which published servers share, a database carries the version of its schema.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from seamless_database.errors import SchemaError
from seamless_database.postgresql import dialect
from seamless_database.postgresql.writing import EVERYTHING
from seamless_database.schema import TABLES

if TYPE_CHECKING:
    from seamless_database.postgresql.address import Address
    from seamless_database.postgresql.session import Session

#: the table that holds the version, in its only row
VERSION_TABLE = "seamless_database_schema"
#: the version that this code reads and writes
VERSION = 1

# one snapshot tells of all of them: to ask for each by its name would see others' half-done work
_PRESENT = """
SELECT relname FROM pg_class
WHERE relname = ANY (%(names)s) AND relkind IN ('r', 'p', 'v', 'f') AND pg_table_is_visible(oid)
"""
_VERSION = f"SELECT version FROM {VERSION_TABLE}"  # noqa: S608  # a name of ours
_CREATE_VERSION = f"CREATE TABLE {VERSION_TABLE} (version integer NOT NULL)"
_INSERT_VERSION = f"INSERT INTO {VERSION_TABLE} VALUES (%(version)s)"  # noqa: S608  # as above
_LOCK = "SELECT pg_advisory_xact_lock(%(everything)s)"
_LIMIT = "SELECT set_config('lock_timeout', %(wait)s, true)"


def inspect(session: Session, address: Address) -> bool:
    """Tell whether the tables are there; raises `SchemaError` for those that we must not touch."""
    names = [VERSION_TABLE, *TABLES]
    present = {name for (name,) in session.command(_PRESENT, {"names": names})}
    if not present:
        return False
    if VERSION_TABLE not in present:
        raise _refusal(
            address,
            f"it has tables of somebody else ({', '.join(sorted(present))}), and no "
            f"{VERSION_TABLE}; give the service a database of its own",
        )
    versions = [version for (version,) in session.command(_VERSION)]
    if versions != [VERSION]:
        known = f"this seamless-database knows version {VERSION}"
        if len(versions) == 1 and versions[0] > VERSION:
            raise _refusal(address, f"its schema has version {versions[0]}, {known}; upgrade it")
        raise _refusal(address, f"{VERSION_TABLE} holds {versions or 'no row'}, {known}")
    if missing := set(TABLES) - present:
        raise _refusal(address, f"its tables {', '.join(sorted(missing))} are missing")
    return True


def create(session: Session, address: Address, wait: float) -> None:
    """Create the tables unless they are there; several servers may do so at once."""
    if inspect(session, address):
        return
    session.command("BEGIN")
    session.command(_LIMIT, {"wait": str(int(1000 * wait))})
    session.command(_LOCK, {"everything": EVERYTHING})
    # looked at again: another server may have created them before we got the lock
    if not inspect(session, address):
        for text in (*dialect.creation(), _CREATE_VERSION):
            session.command(text)
        session.command(_INSERT_VERSION, {"version": VERSION})
    session.command("COMMIT")


def _refusal(address: Address, reason: str) -> SchemaError:
    return SchemaError(address.shown, reason, kind="database")
