from __future__ import annotations

import fcntl
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from seamless_database import Database
from seamless_database.errors import FileError
from seamless_database.storage.sqlite.lock_file import SUFFIX, WriterLockFile

if TYPE_CHECKING:
    from pathlib import Path

OTHER_PROCESS = """
import os, sys
from pathlib import Path
from seamless_database.storage.sqlite.lock_file import WriterLockFile
owned = WriterLockFile(Path(sys.argv[1]))
print("owned", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "seamless.db"


def test_a_second_writer_is_rejected_with_the_owner_named(file: Path) -> None:
    words = [sys.executable, "-c", OTHER_PROCESS, str(file)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        with pytest.raises(FileError, match=rf"only one .* process {other.pid} of .* --writable"):
            WriterLockFile(file)
        other.communicate()


def test_a_writer_that_did_not_write_its_name_is_another_process(file: Path) -> None:
    with file.with_name(file.name + SUFFIX).open("w") as opened:
        fcntl.flock(opened, fcntl.LOCK_EX)
        with pytest.raises(FileError, match="only one server may write, and another process does"):
            WriterLockFile(file)


def test_a_second_writer_in_one_process_is_rejected(file: Path) -> None:
    with WriterLockFile(file), pytest.raises(FileError):
        WriterLockFile(file)


def test_a_second_release_leaves_the_file_of_another_writer(file: Path) -> None:
    owned = WriterLockFile(file)
    owned.release()
    with WriterLockFile(file):
        owned.release()
        assert file.with_name(file.name + SUFFIX).exists()
        with pytest.raises(FileError):
            WriterLockFile(file)


def test_release_removes_the_file(file: Path) -> None:
    owned = WriterLockFile(file)
    owned.release()
    owned.release()
    assert list(file.parent.iterdir()) == []


def test_the_lock_file_of_a_killed_writer_blocks_no_other(file: Path) -> None:
    words = [sys.executable, "-c", OTHER_PROCESS, str(file)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        other.kill()
    assert [entry.name for entry in file.parent.iterdir()] == [file.name + SUFFIX]
    WriterLockFile(file).release()
    assert list(file.parent.iterdir()) == []


def test_a_lock_file_that_cannot_be_created_is_an_error(file: Path) -> None:
    file.with_name(file.name + SUFFIX).mkdir()
    with pytest.raises(FileError, match="cannot be locked"):
        WriterLockFile(file)


def test_on_a_network_file_system_only_one_database_may_write(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seamless_database.storage.sqlite.database.is_network", lambda _path: True)
    with Database(file, writable=True):
        with pytest.raises(FileError, match="only one server may write"):
            Database(file, writable=True)
        Database(file).close()
    Database(file, writable=True).close()
    assert list(file.parent.iterdir()) == [file]
