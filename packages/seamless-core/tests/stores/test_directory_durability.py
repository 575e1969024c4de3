"""What a buffer directory acknowledges is on disk: the order of syncs and renames."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import pytest

from seamless.stores.directory import BufferDirectory

CONTENT = b"stored content\n"


def named(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


NAME = named(CONTENT)


@pytest.fixture
def directory(tmp_path: Path) -> BufferDirectory:
    return BufferDirectory(tmp_path / "buffers")


def test_a_write_syncs_its_file_and_every_new_entry(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    fsync = os.fsync

    def record(descriptor: int) -> None:
        synced.append(os.readlink(f"/proc/self/fd/{descriptor}"))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", record)
    directory = BufferDirectory(tmp_path / "new" / "buffers")
    directory.write(NAME, CONTENT)
    folders = [directory.path / NAME[:2], directory.path, tmp_path / "new", tmp_path]
    assert set(map(str, folders)) == {path for path in synced if not path.endswith(".tmp")}
    assert sum(f"/{NAME[:2]}/.{NAME[:20]}" in path for path in synced) == 1


class Recorder:
    """The paths that are synced, and the new names of files that are renamed, in their order."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls: list[tuple[str, str]] = []
        fsync, replace = os.fsync, os.replace

        def record_sync(descriptor: int) -> None:
            fsync(descriptor)
            # what was synced as a temporary file may have its name by now
            self.calls.append(("sync", os.readlink(f"/proc/self/fd/{descriptor}")))

        def record_rename(old: str, new: str) -> None:
            replace(old, new)
            self.calls.append((f"rename {old}", os.fspath(new)))

        monkeypatch.setattr(os, "fsync", record_sync)
        monkeypatch.setattr(os, "replace", record_rename)

    def synced(self) -> list[str]:
        return [path for call, path in self.calls if call == "sync"]

    def assert_durable(self, path: Path) -> None:
        """Check that a file was synced before its rename, its folder after, and the top folder."""
        ((renamed, old),) = [
            (number, call.removeprefix("rename "))
            for number, (call, new) in enumerate(self.calls)
            if new == str(path)
        ]
        assert ("sync", old) in self.calls[:renamed]
        assert ("sync", str(path.parent)) in self.calls[renamed:]
        assert ("sync", str(path.parent.parent)) in self.calls


def test_a_batch_is_durable_and_syncs_each_folder_once(
    directory: BufferDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory.write(NAME, CONTENT)
    folders = {"00", "01", "02"}
    contents = [c for c in map(b"%d".__mod__, range(2000)) if named(c)[:2] in folders]
    recorder = Recorder(monkeypatch)
    errors = directory.write_together([(named(content), content) for content in contents])
    assert errors == [None] * len(contents)
    for content in contents:
        recorder.assert_durable(directory.path / named(content)[:2] / named(content))
    assert len(contents) > 10
    synced = recorder.synced()
    assert [synced.count(str(directory.path / folder)) for folder in folders] == [1, 1, 1]
    # the top folder after each new folder, and once for those of other writers
    assert len(synced) == len(contents) + 2 * len(folders) + 1


def test_a_folder_that_another_writer_has_just_made_is_synced(
    directory: BufferDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory.write(named(b"other"), b"other")
    (directory.path / NAME[:2]).mkdir()
    recorder = Recorder(monkeypatch)
    directory.write(NAME, CONTENT)
    recorder.assert_durable(directory.path / NAME[:2] / NAME)


@pytest.mark.parametrize("recent", [True, False])
def test_a_buffer_that_another_writer_has_just_stored_is_synced(
    directory: BufferDirectory, monkeypatch: pytest.MonkeyPatch, recent: bool
) -> None:
    path = directory.path / NAME[:2] / NAME
    path.parent.mkdir(parents=True)
    path.write_bytes(CONTENT)
    if not recent:
        monkeypatch.setattr("seamless.stores.file_age.RECENT_SECONDS", -1.0)
    recorder = Recorder(monkeypatch)
    directory.write(NAME, CONTENT)
    paths = [path, path.parent, directory.path]
    assert recorder.calls == [("sync", str(path)) for path in paths if recent]


def test_no_buffer_of_a_folder_is_stored_whose_sync_has_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The system reports such an error once, and not to those who sync later."""
    (tmp_path / NAME).write_bytes(b"")  # the flat layout: one folder for all
    failing = [str(tmp_path)]
    fsync = os.fsync

    def fail_once(descriptor: int) -> None:
        if os.readlink(f"/proc/self/fd/{descriptor}") in failing:
            failing.clear()
            raise OSError(5, "Input/output error")
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", fail_once)
    contents = [b"%d" % number for number in range(3)]
    errors = BufferDirectory(tmp_path).write_together([(named(each), each) for each in contents])
    assert [str(error) for error in errors] == [
        f"[Errno 5] Input/output error: '{tmp_path / named(each)}'" for each in contents
    ]


def test_a_buffer_that_is_deleted_while_its_time_is_renewed_is_written_anew(
    directory: BufferDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory.write(NAME, CONTENT)
    path = directory.path / NAME[:2] / NAME
    os.utime(path, (0, 0))
    utime = os.utime

    def renew_then_delete(*words: Any, **options: Any) -> None:
        utime(*words, **options)
        path.unlink()

    monkeypatch.setattr(os, "utime", renew_then_delete)
    directory.write(NAME, CONTENT)
    assert path.read_bytes() == CONTENT
