"""`seamless-buffers merge`, with real directories."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest
from buffer_folders import add_foreign_entries, make_directory, named, put
from command_runs import files_below

from seamless.cli.buffers.main import main
from seamless.stores.directory import BufferDirectory

if TYPE_CHECKING:
    from pathlib import Path

Captured = pytest.CaptureFixture[str]
LARGE = bytes(range(256)) * 8192
CONTENTS = [b"first", b"second", LARGE]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return make_directory(tmp_path / "from", CONTENTS)


def merge(*words: str | Path) -> int:
    return main(["merge", *map(str, words)])


def read(folder: Path, content: bytes) -> bytes | None:
    return BufferDirectory(folder).read(named(content)).content


@pytest.mark.parametrize("copied", [False, True])
def test_all_buffers_are_there_afterwards(
    source: Path, tmp_path: Path, capsys: Captured, copied: bool
) -> None:
    target = tmp_path / "to"
    assert merge(source, target, *["--copy"] * copied) == 0
    assert files_below(target) == files_below(source)
    path = BufferDirectory(target).find(named(LARGE))
    assert path is not None
    assert path.stat().st_nlink == (1 if copied else 2)
    assert path.stat().st_mode & 0o777 == 0o444
    assert abs(path.stat().st_mtime - time.time()) < 60  # `gc` keeps what has been merged
    linked, written = (0, 3) if copied else (3, 0)
    assert capsys.readouterr().out == (
        f"{target}: {linked} buffers linked, {written} copied, 0 were there already\n"
    )


@pytest.mark.parametrize("copied", [False, True])
@pytest.mark.parametrize("suffix", [".zst", ".gz"])
def test_compressed_buffers_stay_compressed(tmp_path: Path, copied: bool, suffix: str) -> None:
    source, target = make_directory(tmp_path / "from"), tmp_path / "to"
    content = put(source, LARGE, suffix=suffix).read_bytes()
    assert merge(source, target, *["--copy"] * copied) == 0
    path = BufferDirectory(target).find(named(LARGE))
    assert path is not None
    assert path.name == named(LARGE) + suffix
    assert path.read_bytes() == content
    assert read(target, LARGE) == LARGE


def test_the_layout_of_the_target_stays(source: Path, tmp_path: Path) -> None:
    target = tmp_path / "to"
    put(target, b"flat", flat=True)
    assert merge(source, target) == 0
    assert sorted(files_below(target)) == sorted(map(named, [*CONTENTS, b"flat"]))


def test_what_the_target_has_is_kept(source: Path, tmp_path: Path, capsys: Captured) -> None:
    target = make_directory(tmp_path / "to", [b"own"])
    there = put(target, b"first", suffix=".zst")
    before = there.read_bytes()
    assert merge(source, target) == 0
    assert there.read_bytes() == before
    assert abs(there.stat().st_mtime - time.time()) < 60
    assert not there.with_suffix("").exists()
    assert read(target, b"own") == b"own"
    assert "2 buffers linked, 0 copied, 1 were there already" in capsys.readouterr().out


def test_a_second_merge_changes_nothing(source: Path, tmp_path: Path, capsys: Captured) -> None:
    target = tmp_path / "to"
    assert merge(source, target) == 0
    assert merge(source, target) == 0
    assert "0 buffers linked, 0 copied, 3 were there already" in capsys.readouterr().out
    assert files_below(target) == files_below(source)


@pytest.mark.parametrize("copied", [False, True])
def test_a_damaged_buffer_is_left_out_and_named(
    source: Path, tmp_path: Path, capsys: Captured, copied: bool
) -> None:
    bad = put(source, b"not it", name=named(b"x"))
    packed = put(source, b"not it", name=named(b"y"), suffix=".zst")
    packed.chmod(0o644)
    packed.write_bytes(b"no zstd data")
    target = tmp_path / "to"
    assert merge(source, target, *["--copy"] * copied) == 1
    captured = capsys.readouterr()
    assert str(bad) in captured.err
    assert str(packed) in captured.err
    assert captured.err.count("\n") == 2
    assert len(files_below(target)) == 4
    assert all(read(target, content) == content for content in CONTENTS)


@pytest.mark.parametrize("copied", [False, True])
def test_a_damaged_buffer_of_the_target_is_replaced(
    source: Path, tmp_path: Path, copied: bool
) -> None:
    target = make_directory(tmp_path / "to")
    put(target, b"not it", name=named(b"first"))
    put(target, b"not it", name=named(b"second"), suffix=".zst")
    link = target / named(LARGE)[:2] / named(LARGE)
    link.parent.mkdir(exist_ok=True)
    link.symlink_to(source / named(LARGE)[:2] / named(LARGE))
    assert merge(source, target, *["--copy"] * copied) == 0
    assert all(read(target, content) == content for content in CONTENTS)
    assert not link.is_symlink()


def test_foreign_files_are_not_merged(source: Path, tmp_path: Path) -> None:
    add_foreign_entries(source)
    target = tmp_path / "to"
    assert merge(source, target) == 0
    assert len(files_below(target)) == 4


def test_many_small_files_are_copied(tmp_path: Path) -> None:
    source = make_directory(tmp_path / "from", [b"%d" % number for number in range(100)])
    assert merge(source, tmp_path / "to", "--copy") == 0
    assert files_below(tmp_path / "to") == files_below(source)


def test_where_no_link_can_be_made_files_are_copied(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def deny(*_: object, **__: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", deny)
    assert merge(source, tmp_path / "to") == 0
    assert files_below(tmp_path / "to") == files_below(source)


@pytest.mark.parametrize("case", ["itself", "file", "no buffers", "missing"])
def test_wrong_usage_is_one_line(source: Path, tmp_path: Path, capsys: Captured, case: str) -> None:
    (tmp_path / "link").symlink_to(source)
    (tmp_path / "file").touch()
    (tmp_path / "empty").mkdir()
    words: dict[str, tuple[Path, Path]] = {
        "itself": (source, tmp_path / "link"),
        "file": (source, tmp_path / "file"),
        "no buffers": (tmp_path / "empty", tmp_path / "to"),
        "missing": (tmp_path / "missing", tmp_path / "to"),
    }
    assert merge(*words[case]) == 1
    error = capsys.readouterr().err
    assert error.startswith("Error: ")
    assert error.count("\n") == 1
    assert not (tmp_path / "to").exists()


@pytest.mark.parametrize("content", [LARGE, b"small"])
def test_a_full_disk_leaves_no_part(
    tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    source = make_directory(tmp_path / "from", [content])

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    target = make_directory(tmp_path / "to")
    assert merge(source, target, "--copy") == 1
    assert capsys.readouterr().err == "Error: No space left on device\n"
    assert list(files_below(target)) == [".HASHSERVER_PREFIX"]


#: stops itself just before a copy gets its name, or just after a link has been made
KILLED = """
import os, signal, sys
from seamless.cli.buffers.main import main
replace, link, number = os.replace, os.link, int(sys.argv.pop(1))
name = sys.argv.pop()
def stop(target):
    if target.endswith(name):
        os.kill(os.getpid(), number)
os.replace = lambda source, target: stop(target) or replace(source, target)
os.link = lambda source, target, **options: link(source, target, **options) or stop(target)
sys.exit(main())
"""


@pytest.mark.parametrize("copied", [False, True])
@pytest.mark.parametrize("content", [LARGE, b"first"])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_stopped_merge_leaves_only_good_buffers_and_can_be_repeated(
    source: Path, tmp_path: Path, copied: bool, content: bytes, number: signal.Signals
) -> None:
    target = make_directory(tmp_path / "to")
    words = ["merge", str(source), str(target), *["--copy"] * copied]
    child = subprocess.run(
        [sys.executable, "-c", KILLED, str(int(number)), *words, named(content)],
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert child.stderr == b""
    assert child.returncode == (130 if number is signal.SIGINT else -number)
    assert main(["verify", str(target)]) == 0
    left = [name for name in files_below(target) if name.endswith(".tmp")]
    assert bool(left) == (copied and number is signal.SIGKILL)
    assert main(words) == 0
    assert all(read(target, each) == each for each in CONTENTS)


# -- what is on disk ------------------------------------------------------------------


def record_syncs(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the list to which every path that is synced is added, by its first name."""
    synced: list[str] = []
    fsync = os.fsync

    def record(descriptor: int) -> None:
        synced.append(os.readlink(f"/proc/self/fd/{descriptor}"))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", record)
    return synced


def test_each_of_many_small_copies_and_every_new_folder_is_synced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [named(b"%d" % number) for number in range(100)]
    source = make_directory(tmp_path / "from", [b"%d" % number for number in range(100)])
    synced = record_syncs(monkeypatch)
    assert merge(source, tmp_path / "to", "--copy") == 0
    files = {path.rpartition("/.")[2][:64] for path in synced if path.endswith(".tmp")}
    assert set(names) <= files
    folders = {tmp_path, tmp_path / "to", *(tmp_path / "to" / name[:2] for name in names)}
    assert set(map(str, folders)) <= set(synced)


def test_recent_buffers_are_synced_before_they_count_as_linked_or_present(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = make_directory(tmp_path / "from", [b"linked", b"present"])
    target = make_directory(tmp_path / "to", [b"present"])
    synced = record_syncs(monkeypatch)
    assert merge(source, target) == 0
    present = target / named(b"present")[:2] / named(b"present")
    linked = source / named(b"linked")[:2] / named(b"linked")
    assert {str(present), str(present.parent), str(linked)} <= set(synced)


def test_a_linked_buffer_that_can_not_look_new_is_copied(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def deny(*_: object, **__: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "utime", deny)
    assert merge(source, tmp_path / "to") == 0
    path = BufferDirectory(tmp_path / "to").find(named(LARGE))
    assert path is not None
    assert path.stat().st_nlink == 1
    assert abs(path.stat().st_mtime - time.time()) < 60
