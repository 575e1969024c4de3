from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from seamless_database.errors import StatusFileError
from seamless_database.server import status_file

if TYPE_CHECKING:
    from pathlib import Path


class Clock:
    """Time that passes only by sleeping; something may happen at each step."""

    def __init__(self, *events: tuple[Path, bytes]) -> None:
        self.now = 0.0
        self._events = list(events)

    def time(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        if self._events:
            path, content = self._events.pop(0)
            path.write_bytes(content)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "status.json"


def test_reading_waits_until_the_file_is_complete(path: Path) -> None:
    clock = Clock((path, b""), (path, b'{"pid'), (path, b"\xff"), (path, b'{"pid": 1}'))
    assert status_file.read(path, 20, clock.time, clock.sleep) == {"pid": 1}


@pytest.mark.parametrize("content", [None, b"", b"{", b"\xff", b"[" * 100_000])
def test_reading_times_out(path: Path, content: bytes | None) -> None:
    if content is not None:
        path.write_bytes(content)
    clock = Clock()
    with pytest.raises(StatusFileError, match="after 20 seconds"):
        status_file.read(path, 20, clock.time, clock.sleep)
    assert 20 <= clock.now < 21


@pytest.mark.parametrize("content", ["[]", "null", "5", '"x"'])
def test_another_value_than_an_object_is_rejected_at_once(path: Path, content: str) -> None:
    path.write_text(content)
    clock = Clock()
    with pytest.raises(StatusFileError, match="no JSON object"):
        status_file.read(path, 20, clock.time, clock.sleep)
    assert clock.now == 0


def test_running_sets_port_and_status_and_keeps_the_rest(path: Path) -> None:
    path.write_text("{}")
    status_file.write_running(path, {"pid": 1, "port": 5, "status": "starting"}, 80)
    assert path.read_text() == '{"pid": 1, "port": 80, "status": "running"}\n'


def test_failed_sets_the_status_only(path: Path) -> None:
    path.write_text("{}")
    status_file.write_failed(path, {"pid": 1, "port": 5})
    assert json.loads(path.read_text()) == {"pid": 1, "port": 5, "status": "failed"}


@pytest.mark.parametrize("mode", [0o600, 0o644, 0o664])
def test_the_mode_is_kept(path: Path, mode: int) -> None:
    path.write_text("{}")
    path.chmod(mode)
    status_file.write_running(path, {}, 80)
    assert path.stat().st_mode & 0o777 == mode


def test_a_link_is_kept(path: Path) -> None:
    target = path.with_name("target.json")
    target.write_text("{}")
    path.symlink_to(target)
    status_file.write_running(path, {}, 80)
    assert path.is_symlink()
    assert json.loads(target.read_text())["port"] == 80


def test_no_temporary_file_remains(path: Path) -> None:
    path.write_text("{}")
    status_file.write_running(path, {}, 80)
    assert list(path.parent.iterdir()) == [path]


def test_a_file_that_was_removed_is_written_anew(path: Path) -> None:
    status_file.write_running(path, {}, 80)
    assert json.loads(path.read_text()) == {"port": 80, "status": "running"}
    assert path.stat().st_mode & 0o777 == 0o644


def test_a_failure_leaves_no_temporary_file(path: Path) -> None:
    path.mkdir()
    with pytest.raises(StatusFileError, match="directory"):
        status_file.write_running(path, {}, 80)
    assert list(path.parent.iterdir()) == [path]


def test_a_missing_folder_is_a_status_file_error(path: Path) -> None:
    with pytest.raises(StatusFileError):
        status_file.write_failed(path.parent / "gone" / "status.json", {})
