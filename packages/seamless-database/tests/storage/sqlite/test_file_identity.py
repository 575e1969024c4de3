"""File identity: a file that is replaced while it is open is not read or written any more."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from database_samples import checksum
from database_server import TIMEOUT, Server

from seamless_database import Database
from seamless_database.errors import FileError, FileReplacedError
from seamless_database.storage.sqlite.fair_lock import FairWriterLock
from seamless_database.storage.sqlite.file_identity import INTERVAL, FileIdentity

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

OLD, NEW, LATE = checksum("former result"), checksum("present result"), checksum("late result")
KEY = {"type": "transformation", "checksum": checksum(1)}
REFUSED = "was replaced or removed while the database was open"


def replace(file: Path) -> Path:
    """Replace a file by a backup with another result; returns the new path of the file."""
    backup, moved = file.with_name("backup.db"), file.with_name("moved.db")
    with Database(backup, writable=True) as database:
        database.put({**KEY, "value": NEW})
    file.rename(moved)
    backup.rename(file)
    return moved


def remove(file: Path) -> Path:
    moved = file.with_name("moved.db")
    os.link(file, moved)
    file.unlink()
    return moved


CHANGES = pytest.mark.parametrize("change", [replace, remove])


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "seamless.db"


@pytest.fixture
def database(file: Path) -> Iterator[Database]:
    with Database(file, writable=True) as database:
        database.put({**KEY, "value": OLD})
        yield database


def _wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + TIMEOUT
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@CHANGES
def test_no_write_is_acknowledged_after_a_replacement(
    database: Database, file: Path, change: Callable[[Path], Path]
) -> None:
    change(file)
    assert REFUSED in (database.degraded_reason or "")
    for _ in range(3):
        with pytest.raises(FileReplacedError, match=REFUSED):
            database.put({**KEY, "value": LATE})


def test_a_removed_wal_is_detected_and_loses_nothing(database: Database, file: Path) -> None:
    file.with_name(f"{file.name}-wal").unlink()
    database.put({**KEY, "checksum": checksum(2), "value": LATE})

    def is_refused() -> bool:
        try:
            database.put({**KEY, "checksum": checksum(2), "value": LATE})
        except FileReplacedError:
            return True
        return False

    _wait_until(is_refused)
    # in the file itself, as the journal is gone
    with Database(file) as other:
        assert other.get({**KEY, "checksum": checksum(2)}) == LATE


@CHANGES
def test_acknowledged_writes_are_in_the_file_that_was_open(
    database: Database, file: Path, change: Callable[[Path], Path]
) -> None:
    moved = change(file)
    with pytest.raises(FileReplacedError):
        database.put({**KEY, "checksum": checksum(2), "value": LATE})
    database.close()
    with Database(moved, writable=True) as former:
        assert former.get(KEY) == OLD


def test_the_wal_is_not_applied_to_the_new_file(database: Database, file: Path) -> None:
    replace(file)
    # without any request: the file is watched
    journal = file.with_name(f"{file.name}-wal")
    _wait_until(lambda: journal.stat().st_size == 0)
    with Database(file, writable=True) as present:
        assert present.get(KEY) == NEW
        present.put({**KEY, "checksum": checksum(2), "value": LATE})
        # the end of the former one does not touch what the present one has written
        database.close()
        assert present.get({**KEY, "checksum": checksum(2)}) == LATE
    with Database(file) as present:
        assert present.get(KEY) == NEW
        assert present.get({**KEY, "checksum": checksum(2)}) == LATE


def test_a_file_that_is_replaced_just_before_close_is_not_mixed_up(file: Path) -> None:
    with Database(file, writable=True) as database:
        database.put({**KEY, "value": OLD})
        moved = replace(file)
    for path, result in ((file, NEW), (moved, OLD)):
        with Database(path, writable=True) as other:
            assert other.get(KEY) == result


@pytest.mark.parametrize("writable", [True, False])
def test_no_stale_response_is_returned(file: Path, writable: bool) -> None:
    with Database(file, writable=True) as database:
        database.put({**KEY, "value": OLD})
    with Database(file, writable=writable) as database:
        assert database.get(KEY) == OLD
        replace(file)
        time.sleep(1.1 * INTERVAL)
        with pytest.raises(FileReplacedError, match=REFUSED):
            database.get(KEY)
        assert REFUSED in (database.degraded_reason or "")


def test_a_new_connection_does_not_read_the_new_file(file: Path) -> None:
    with Database(file, writable=True) as database:
        replace(file)
        # no time has passed, but there is no connection yet that has the former file open
        with pytest.raises(FileReplacedError):
            database.get(KEY)


def test_a_file_that_is_put_back_is_served_again(database: Database, file: Path) -> None:
    moved = replace(file)
    with pytest.raises(FileReplacedError):
        database.put({**KEY, "value": LATE})
    moved.rename(file)
    database.put({**KEY, "value": LATE})
    assert database.degraded_reason is None
    _wait_until(lambda: database.get(KEY) == LATE)
    # and is looked after as before
    moved = replace(file)
    with pytest.raises(FileReplacedError):
        database.put({**KEY, "value": NEW})
    database.close()
    for path, result in ((file, NEW), (moved, LATE)):
        with Database(path, writable=True) as other:
            assert other.get(KEY) == result


def test_a_changed_symbolic_link_does_not_matter(file: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.db"
    link.symlink_to(file)
    with Database(link, writable=True) as database:
        database.put({**KEY, "value": OLD})
        link.unlink()
        database.put({**KEY, "value": NEW})
        assert database.get(KEY) == NEW


def test_an_unreadable_folder_is_not_a_replaced_file(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.touch()
    identity = FileIdentity(file)
    identity.note()

    def fail(_path: object) -> os.stat_result:
        raise PermissionError

    monkeypatch.setattr("seamless_database.storage.sqlite.file_identity.os.stat", fail)
    identity.check()


def test_files_are_checked_again_after_the_interval(file: Path) -> None:
    now = 100.0
    identity = FileIdentity(file, lambda: now)
    file.touch()
    identity.note()
    identity.check_lately()
    file.unlink()
    now += INTERVAL * 0.99
    identity.check_lately()
    now += INTERVAL * 0.01
    for _ in range(2):
        with pytest.raises(FileReplacedError):
            identity.check_lately()


def test_a_process_that_is_started_later_does_not_serve_another_file(file: Path) -> None:
    writer_lock = FairWriterLock()
    with (
        Database(file, writable=True, writer_lock=writer_lock),
        Database(file, writable=True, writer_lock=writer_lock),
    ):
        pass
    replace(file)
    for writable in (True, False):
        with pytest.raises(FileError, match="it was replaced while other processes"):
            Database(file, writable=writable, writer_lock=writer_lock)
    writer_lock.close()


@pytest.mark.parametrize("options", [(), ("--workers", "2")])
def test_a_server_reports_degraded_and_rejects_requests(
    file: Path, options: tuple[str, ...]
) -> None:
    with Server(file, *options) as server:
        assert server.put("transformation", checksum=checksum(1), value=OLD).status == 200
        moved = replace(file)
        for _ in range(4):
            answer = server.put("transformation", checksum=checksum(1), value=LATE)
            assert (answer.status, REFUSED in answer.text) == (503, True)
            health = server.ask("GET", path="/healthcheck")
            assert health.status == 503
            assert health.text.startswith("ERROR: degraded: ")
            assert REFUSED in health.text
        _wait_until(lambda: server.get("transformation", checksum=checksum(1)).status == 503)
        code, err = server.stop()
        assert code == 0
        assert "Traceback" not in err
    for path, result in ((file, NEW), (moved, OLD)):
        with Database(path, writable=True) as database:
            assert database.get(KEY) == result


def test_close_stops_the_watch(file: Path) -> None:
    watches = "seamless-database-file-watch"
    with Database(file, writable=True):
        assert watches in [thread.name for thread in threading.enumerate()]
    assert watches not in [thread.name for thread in threading.enumerate()]
