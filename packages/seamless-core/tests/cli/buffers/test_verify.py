"""`seamless-buffers verify`, with real directories."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
import zstandard
from buffer_folders import add_foreign_entries, make_directory, named, put, set_age
from command_runs import files_below
from fake_hashserver import Script, answering, running

from seamless.cli.buffers import repair as repair_module
from seamless.cli.buffers.main import main
from seamless.stores.directory import BufferDirectory

if TYPE_CHECKING:
    from pathlib import Path

GOOD = b"a good buffer"
NAME = named(GOOD)
Captured = pytest.CaptureFixture[str]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_directory(tmp_path / "buffers", [b"first", b"second"])


@pytest.fixture(autouse=True)
def _no_configured_places(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SEAMLESS_BUFFER_DIR", "SEAMLESS_BUFFER_SERVER"):
        monkeypatch.delenv(name, raising=False)


def damage(folder: Path, suffix: str = "", **options: Any) -> Path:
    return put(folder, b"not it", name=NAME, suffix=suffix, **options)


def verify(*words: str | Path) -> int:
    return main(["verify", *map(str, words)])


@pytest.mark.parametrize("suffix", ["", ".zst", ".gz"])
@pytest.mark.parametrize("flat", [False, True])
def test_good_buffers_of_every_form_pass(
    tmp_path: Path, capsys: Captured, suffix: str, flat: bool
) -> None:
    put(tmp_path, GOOD, suffix=suffix, flat=flat)
    put(tmp_path, bytes(100_000), suffix=suffix, flat=flat)
    assert verify(tmp_path) == 0
    assert capsys.readouterr() == (f"{tmp_path}: OK, 2 buffers\n", "")


def test_many_buffers_are_hashed_on_all_cores(tmp_path: Path, capsys: Captured) -> None:
    make_directory(tmp_path / "b", [b"%d" % number for number in range(600)])
    assert verify(tmp_path / "b") == 0
    assert capsys.readouterr().out == f"{tmp_path / 'b'}: OK, 600 buffers\n"


@pytest.mark.parametrize("suffix", ["", ".zst"])
def test_a_damaged_buffer_is_named_and_stays(folder: Path, capsys: Captured, suffix: str) -> None:
    path = damage(folder, suffix)
    before = files_below(folder)
    assert verify(folder) == 1
    captured = capsys.readouterr()
    assert captured.out == f"{path}: FAILED\n"
    assert captured.err.startswith(f"Error: {str(folder)!r}: of 3 buffers 1 are not good")
    assert files_below(folder) == before


def test_truncated_compressed_content_is_damaged(folder: Path, capsys: Captured) -> None:
    path = damage(folder, ".zst")
    path.chmod(0o644)
    path.write_bytes(zstandard.compress(GOOD)[:-3])
    set_age(path, 10)
    assert verify(folder) == 1
    assert capsys.readouterr().out == f"{path}: FAILED\n"


def test_foreign_files_are_neither_read_nor_changed(folder: Path, capsys: Captured) -> None:
    foreign = add_foreign_entries(folder)
    assert verify(folder, "--repair") == 0
    assert capsys.readouterr() == (f"{folder}: OK, 2 buffers\n", "")
    assert all(map(os.path.lexists, foreign))


@pytest.mark.parametrize("suffix", ["", ".zst"])
def test_a_damaged_buffer_is_restored_from_the_named_directory(
    folder: Path, tmp_path: Path, capsys: Captured, suffix: str
) -> None:
    path = damage(folder, suffix)
    empty = make_directory(tmp_path / "empty")
    other = make_directory(tmp_path / "other", [GOOD])
    assert verify(folder, "--repair", "--from", empty, other) == 0
    assert BufferDirectory(folder).read(NAME).content == GOOD
    assert len(files_below(folder)) == 4
    assert capsys.readouterr().out == (
        f"{path}: restored from directory {other}\n{folder}: OK, 3 buffers, 1 restored\n"
    )


def test_a_damaged_buffer_is_restored_from_the_configured_places(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    damage(folder)
    other = make_directory(tmp_path / "other", [GOOD])
    monkeypatch.setenv("SEAMLESS_BUFFER_DIR", f"{folder}{os.pathsep}{other}")
    assert verify(folder, "--repair") == 0
    assert f"restored from directory {other}" in capsys.readouterr().out
    assert BufferDirectory(folder).read(NAME).content == GOOD


def test_a_damaged_buffer_is_restored_from_a_hashserver(folder: Path, capsys: Captured) -> None:
    damage(folder)
    with running(Script(answering(GOOD))) as server:
        assert verify(folder, "--repair", "--from", server.url) == 0
    assert f"restored from {server.url}" in capsys.readouterr().out
    assert BufferDirectory(folder).read(NAME).content == GOOD


def test_a_place_with_the_same_damage_restores_nothing(
    folder: Path, tmp_path: Path, capsys: Captured
) -> None:
    path = damage(folder)
    other = make_directory(tmp_path / "other")
    damage(other)
    assert verify(folder, "--repair", "--from", other) == 1
    assert "not restored: directory" in capsys.readouterr().out
    assert not path.exists()
    assert path.with_name(f"{NAME}.damaged").read_bytes() == b"not it"


def test_what_was_set_aside_is_reported_until_a_later_repair_restores_it(
    folder: Path, tmp_path: Path, capsys: Captured
) -> None:
    path = damage(folder)
    assert verify(folder, "--repair") == 1
    assert "no other place is known" in capsys.readouterr().out
    assert verify(folder) == 1
    assert capsys.readouterr().out.startswith(f"{path}.damaged: set aside: ")
    assert verify(folder, "--repair", "--from", make_directory(tmp_path / "o", [GOOD])) == 0
    assert path.read_bytes() == GOOD
    assert not path.with_name(f"{NAME}.damaged").exists()
    assert verify(folder) == 0


def test_another_form_in_the_same_directory_suffices(folder: Path, capsys: Captured) -> None:
    path = damage(folder, ".zst")
    good = put(folder, GOOD)
    assert verify(folder, "--repair") == 0
    assert f"{path}: deleted: the directory has another copy\n" in capsys.readouterr().out
    assert good.read_bytes() == GOOD
    assert not path.exists()


def test_a_file_that_is_being_written_is_not_set_aside(folder: Path, capsys: Captured) -> None:
    young = damage(folder, days=0)
    locked = put(folder, b"not it", name=named(b"locked"))
    locked.with_name(f"{locked.name}.LOCK").touch()
    assert verify(folder, "--repair") == 1
    out = capsys.readouterr().out
    assert out.count("is being written, or damaged") == 2
    assert (young.read_bytes(), locked.read_bytes()) == (b"not it", b"not it")


def test_a_file_that_a_writer_replaces_in_the_same_moment_is_kept(folder: Path) -> None:
    path = damage(folder)
    found_damaged = path.lstat()
    BufferDirectory(folder).write(NAME, GOOD)
    repair = repair_module.Repair(str(folder), [])
    assert not repair.set_aside(str(path), found_damaged)
    assert path.read_bytes() == GOOD
    path.unlink()
    assert not repair.set_aside(str(path), found_damaged)


def test_a_file_that_is_written_while_a_good_one_is_renamed_back_stays(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = damage(folder)
    found_damaged = path.lstat()
    put(folder, b"still not it", name=NAME)
    rename = os.rename

    def rename_then_write(*words: str) -> None:
        monkeypatch.setattr(os, "rename", rename)
        rename(*words)
        BufferDirectory(folder).write(NAME, GOOD)

    monkeypatch.setattr(os, "rename", rename_then_write)
    repair_module.Repair(str(folder), []).set_aside(str(path), found_damaged)
    assert path.read_bytes() == GOOD
    assert verify(folder, "--repair") == 0


@pytest.mark.parametrize("suffix", ["", ".zst"])
def test_a_good_file_that_another_repair_has_just_set_aside_is_not_deleted(
    folder: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other repair renames the good file after this one has found it."""
    path = damage(folder)
    repair = repair_module.Repair(str(folder), [])
    assert repair.set_aside(str(path), path.lstat())
    path.with_name(f"{path.name}.damaged").rename(f"{path}{suffix}.damaged")
    path = put(folder, GOOD, suffix=suffix)
    content, read = path.read_bytes(), BufferDirectory.read

    def read_then_rename(*words: Any) -> Any:
        monkeypatch.setattr(BufferDirectory, "read", read)
        result = read(*words)
        path.rename(f"{path}.damaged")
        return result

    monkeypatch.setattr(BufferDirectory, "read", read_then_rename)
    assert repair.restore(str(path), NAME) == (True, "restored: it is not damaged")
    assert path.read_bytes() == content
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("suffix", ["", ".zst"])
def test_a_good_file_that_a_killed_repair_set_aside_is_renamed_back(
    folder: Path, suffix: str
) -> None:
    path = put(folder, GOOD, suffix=suffix)
    content = path.read_bytes()
    path.rename(f"{path}.damaged")
    assert verify(folder, "--repair") == 0
    assert path.read_bytes() == content


def test_wrong_usage_changes_nothing(folder: Path, tmp_path: Path, capsys: Captured) -> None:
    path = damage(folder)
    with pytest.raises(SystemExit) as ended:
        verify(folder, "--from", tmp_path)
    assert ended.value.code == 2
    capsys.readouterr()
    assert verify(folder, "--repair", "--from", tmp_path / "missing") == 1
    assert verify(folder, "--repair", "--from", "ftp://x") == 1
    assert [line.split(":")[0] for line in capsys.readouterr().err.splitlines()] == ["Error"] * 2
    assert path.read_bytes() == b"not it"


#: sends itself a signal when the damaged file has been set aside, or when it has been restored
KILLED = """
import os, signal, sys
from seamless.cli.buffers import repair
from seamless.cli.buffers.main import main
number = int(sys.argv.pop(1))
if sys.argv.pop(1) == "before":
    repair.Repair.restore = lambda *_: os.kill(os.getpid(), number)
else:
    unlink = os.unlink
    os.unlink = lambda path: os.kill(os.getpid(), number) or unlink(path)
sys.exit(main())
"""


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_killed_repair_is_completed_by_the_next(
    folder: Path, tmp_path: Path, moment: str, number: signal.Signals
) -> None:
    path = damage(folder)
    other = make_directory(tmp_path / "other", [GOOD])
    words = ["verify", str(folder), "--repair", "--from", str(other)]
    child = subprocess.run(
        [sys.executable, "-c", KILLED, str(int(number)), moment, *words],
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert child.returncode == (130 if number is signal.SIGINT else -number)
    assert child.stderr == b""
    if moment == "before":
        assert path.with_name(f"{NAME}.damaged").exists()
    assert main(words) == 0
    assert path.read_bytes() == GOOD
    assert verify(folder) == 0


def test_buffers_that_are_deleted_meanwhile_are_no_error(
    folder: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = put(folder, GOOD)
    found = os.scandir

    def delete_after_listing(where: str) -> Any:
        if str(where).endswith(NAME[:2]):
            entries = list(found(where))
            path.unlink(missing_ok=True)
            return _Listed(entries)
        return found(where)

    monkeypatch.setattr(os, "scandir", delete_after_listing)
    assert verify(folder) == 0
    assert capsys.readouterr().err == ""


class _Listed(list[Any]):
    def __enter__(self) -> _Listed:
        return self

    def __exit__(self, *_: object) -> None: ...


def test_a_full_disk_leaves_the_damaged_file_aside(
    folder: Path, tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = damage(folder)
    other = make_directory(tmp_path / "other", [GOOD])

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device", str(path))

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", full)
        assert verify(folder, "--repair", "--from", other) == 1
    assert "No space left on device" in capsys.readouterr().err
    assert verify(folder, "--repair", "--from", other) == 0
    assert path.read_bytes() == GOOD
