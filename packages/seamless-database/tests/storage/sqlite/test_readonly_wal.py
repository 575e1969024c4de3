"""Read-only WAL: files in WAL mode on read-only media and in read-only folders."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from database_samples import checksum
from database_server import Server

from seamless_database import Database
from seamless_database.errors import DatabaseClosedError, UnavailableError
from seamless_database.storage.sqlite.file_identity import FileIdentity
from seamless_database.storage.sqlite.read_pool import ReadPool

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seamless_database.storage.sqlite.connection import Connection

PUT = {"type": "transformation", "checksum": checksum(1), "value": checksum(2)}
GET = {"type": "transformation", "checksum": checksum(1)}


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """A file in WAL mode and its journal, copied without its shared memory."""
    file = tmp_path / "live" / "seamless.db"
    folder = tmp_path / "copied"
    for each in (file.parent, folder):
        each.mkdir()
    with Database(file, writable=True) as database:
        database.put(PUT)
        for name in ("seamless.db", "seamless.db-wal"):
            # by a process of its own: closing the file would end the locks of this one
            subprocess.run(["cp", str(file.parent / name), str(folder)], check=True)
    return folder / "seamless.db"


@pytest.fixture
def medium(copied: Path) -> Iterator[Path]:
    """The same file on a medium without write permission."""
    try:
        subprocess.run(["mount", "--bind", copied.parent, copied.parent], check=True)
    except (OSError, subprocess.CalledProcessError):
        if os.geteuid() == 0:
            pytest.skip("this system lets even root mount nothing, and root can write anywhere")
        copied.parent.chmod(0o555)
        yield copied
        copied.parent.chmod(0o755)
        return
    remount = ["mount", "-o", "remount,ro,bind", str(copied.parent)]
    subprocess.run(remount, check=True)
    yield copied
    subprocess.run(["umount", "--lazy", str(copied.parent)], check=True)


def test_a_wal_on_a_read_only_medium_is_read(medium: Path) -> None:
    with Server(medium, writable=False) as server:
        assert server.get("transformation", checksum=checksum(1)).text == checksum(2)
        assert server.stop() == (0, "")


def test_a_file_without_a_wal_on_a_read_only_medium_is_read(
    copied: Path, request: pytest.FixtureRequest
) -> None:
    # completed by a reader that may write, then marked as in WAL mode again
    with Database(copied, writable=True):
        pass
    content = bytearray(copied.read_bytes())
    content[18:20] = b"\x02\x02"
    copied.write_bytes(content)
    medium = request.getfixturevalue("medium")
    assert [entry.name for entry in medium.parent.iterdir()] == [copied.name]
    with Database(medium) as database:
        assert database.get(GET) == checksum(2)


@pytest.mark.parametrize("fails", [False, True])
def test_a_file_that_changes_during_a_read_is_read_again(
    copied: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: bool
) -> None:
    newer = tmp_path / "newer.db"
    with Database(newer, writable=True) as database:
        database.put({**PUT, "value": checksum(3)})
    # as if nothing could be written here, until something is
    monkeypatch.setattr("seamless_database.storage.sqlite.read_pool.ReadPool._open", resting_reader)
    asked: list[Connection] = []
    readers = ReadPool(copied, FileIdentity(copied), allow_readonly_wal=True)

    def work(connection: Connection) -> object:
        asked.append(connection)
        found = connection.command("SELECT result FROM transformation")
        if len(asked) == 1:
            copied.with_name("seamless.db-wal").unlink()
            shutil.copy(newer, copied)
            if fails:
                raise sqlite3.DatabaseError("half old and half new")
        return found

    assert readers.read(work, 1) == (checksum(3),)
    first, second = asked
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        first.command("SELECT 1")
    assert readers.read(lambda connection: connection, 1) is second
    readers.close()


def test_a_file_that_changes_during_every_read_is_an_error(
    copied: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seamless_database.storage.sqlite.read_pool.ReadPool._open", resting_reader)
    readers = ReadPool(copied, FileIdentity(copied), allow_readonly_wal=True)

    def work(connection: Connection) -> object:
        os.utime(copied, ns=(0, copied.stat().st_mtime_ns + 1))
        return connection.command("SELECT result FROM transformation")

    with pytest.raises(UnavailableError, match="changes too often"):
        readers.read(work, 1)
    readers.close()


class Interruption(BaseException):
    """As a signal may raise it anywhere."""


@pytest.mark.parametrize("error", [sqlite3.DatabaseError("no"), ValueError("no"), Interruption()])
def test_a_connection_returns_to_the_pool_after_any_error(
    tmp_path: Path, error: BaseException
) -> None:
    file = tmp_path / "seamless.db"
    Database(file, writable=True).close()
    readers = ReadPool(file, FileIdentity(file), allow_readonly_wal=False)
    first = readers.read(lambda connection: connection, 1)

    def fail(_connection: Connection) -> None:
        raise error

    with pytest.raises(type(error)):
        readers.read(fail, 1)
    assert readers.read(lambda connection: connection, 1) is first
    readers.close()
    with pytest.raises(DatabaseClosedError):
        readers.read(lambda connection: connection, 1)


def resting_reader(readers: ReadPool) -> object:
    from seamless_database.storage.sqlite import readonly_wal
    from seamless_database.storage.sqlite.connection import Connection
    from seamless_database.storage.sqlite.read_pool import _Reader

    state = readonly_wal.probe(readers._path)
    assert state is not None
    return _Reader(Connection.open(readers._path, state.open_mode), state)
