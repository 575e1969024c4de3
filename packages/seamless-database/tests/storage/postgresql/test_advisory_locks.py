"""Advisory locks: servers of any version must agree on the id of a lock."""

from __future__ import annotations

from seamless_database.storage.batch_queue import Operation
from seamless_database.storage.postgresql.advisory_locks import GLOBAL_LOCK, lock_id, lock_ids


def test_the_id_of_a_lock_never_changes() -> None:
    assert GLOBAL_LOCK == -9223372036854775808
    assert lock_id("transformation " + "a" * 64) == 8851366685101128949
    assert lock_id("buffer b") == 7763888160268179338
    assert lock_id("buffer c") < 0


def test_the_locks_of_operations_are_sorted_behind_the_global_one() -> None:
    operations = [Operation[None](lambda _: None, keys) for keys in (("b", "a"), ("c", "a"))]
    assert lock_ids(operations) == [GLOBAL_LOCK, *sorted(map(lock_id, "abc"))]
