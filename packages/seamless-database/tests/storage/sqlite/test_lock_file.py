from __future__ import annotations

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


def test_a_second_owner_is_refused_and_told_who_the_first_is(file: Path) -> None:
    words = [sys.executable, "-c", OTHER_PROCESS, str(file)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        with pytest.raises(FileError, match=rf"only one .* process {other.pid} of .* --writable"):
            WriterLockFile(file)
        other.communicate()


def test_within_one_process_a_second_owner_is_refused_as_well(file: Path) -> None:
    with WriterLockFile(file), pytest.raises(FileError):
        WriterLockFile(file)


def test_releasing_leaves_nothing_behind(file: Path) -> None:
    owned = WriterLockFile(file)
    owned.release()
    owned.release()
    assert list(file.parent.iterdir()) == []


def test_the_mark_of_a_killed_owner_is_in_nobodys_way(file: Path) -> None:
    words = [sys.executable, "-c", OTHER_PROCESS, str(file)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        other.kill()
    assert [entry.name for entry in file.parent.iterdir()] == [file.name + SUFFIX]
    WriterLockFile(file).release()
    assert list(file.parent.iterdir()) == []


def test_a_mark_that_cannot_be_made_is_no_permission_to_write(file: Path) -> None:
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
