from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from seamless_database.storage.sqlite.wal_file import WalFile

if TYPE_CHECKING:
    from pathlib import Path


def used(wal: WalFile, upper: int) -> int:
    """Return how many frames are in use, by `is_longer`."""
    salts = wal.salts()
    return sum(wal.is_longer(wal.size_of(number), salts) for number in range(upper))


@pytest.mark.parametrize("page_size", [512, 4096, 65536])
def test_the_frames_in_use_are_those_since_the_wal_began_anew(
    tmp_path: Path, page_size: int
) -> None:
    file = tmp_path / "any.db"
    with closing(sqlite3.connect(file, isolation_level=None)) as raw:
        raw.execute(f"PRAGMA page_size={page_size}")
        raw.execute("CREATE TABLE t (x)")
        raw.execute("PRAGMA journal_mode=WAL")
        raw.execute("SELECT x FROM t").fetchall()
        raw.execute("PRAGMA wal_autocheckpoint=0")
        with closing(WalFile(tmp_path / "any.db-wal", page_size)) as wal:
            assert used(wal, 9) == 0
            for number in range(20):
                raw.execute("INSERT INTO t VALUES (?)", (number,))
            size = (tmp_path / "any.db-wal").stat().st_size
            # SQLite says how many frames there are, but only by a checkpoint
            _, count, copied = raw.execute("PRAGMA wal_checkpoint").fetchone()
            assert count == copied == used(wal, 99)
            assert wal.size_of(count) == size
            salts = wal.salts()
            raw.execute("INSERT INTO t VALUES (99)")
            assert (tmp_path / "any.db-wal").stat().st_size == size
            assert wal.salts() != salts
            assert used(wal, 99) == 1
