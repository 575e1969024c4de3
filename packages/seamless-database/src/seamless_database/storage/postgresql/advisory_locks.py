"""Advisory locks: the commands that lock the keys of a write, or the whole database.

A transaction that writes holds an exclusive lock for each of its keys, and shares the lock on
everything. A transaction that changes the whole database holds the latter exclusively.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from seamless_database.storage.batch_queue import Operation
    from seamless_database.storage.postgresql.connection import Command

#: the lock on everything, the lowest of all
GLOBAL_LOCK = -(2**63)
#: waits for the exclusive lock on everything, which ends with the transaction
LOCK_EVERYTHING = f"SELECT pg_advisory_xact_lock({GLOBAL_LOCK})"

_LOCK = """
SELECT CASE WHEN id = %(everything)s THEN pg_advisory_xact_lock_shared(id)
       ELSE pg_advisory_xact_lock(id) END
FROM unnest(%(ids)s::bigint[]) AS id
"""
_TRY_LOCK = """
SELECT id FROM unnest(%(ids)s::bigint[]) AS id
WHERE NOT CASE WHEN id = %(everything)s THEN pg_try_advisory_xact_lock_shared(id)
          ELSE pg_try_advisory_xact_lock(id) END
"""


def lock_ids(operations: Iterable[Operation[None]]) -> list[int]:
    """Return the ids of the locks of operations, in the one order that prevents deadlocks."""
    keys = {key for operation in operations for key in operation.lock_keys}
    return [GLOBAL_LOCK, *sorted(lock_id(key) for key in keys)]


def lock_id(key: str) -> int:
    """Return the id of the lock of a key."""
    digest = blake2b(key.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


def lock(ids: list[int]) -> Command:
    """Return the command that waits for locks."""
    return _LOCK, {"ids": ids, "everything": GLOBAL_LOCK}


def try_lock(ids: list[int]) -> Command:
    """Return the command that gets the locks that are free; its rows are the ids of the others."""
    return _TRY_LOCK, {"ids": ids, "everything": GLOBAL_LOCK}
