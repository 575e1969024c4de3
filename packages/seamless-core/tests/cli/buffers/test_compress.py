"""`seamless-buffers compress`, with real directories."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest
import zstandard
from buffer_folders import add_foreign_entries, make_directory, named, put, set_age
from command_runs import files_below

from seamless.cli.buffers.main import main
from seamless.stores.directory import BufferDirectory

if TYPE_CHECKING:
    from pathlib import Path

Captured = pytest.CaptureFixture[str]
TEXT = b"the same line again\n" * 1000
LARGE = bytes(range(256)) * 30_000


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_directory(tmp_path / "buffers", [TEXT, LARGE])


def compress(folder: Path, *words: str) -> int:
    return main(["compress", str(folder), *words])


def path_of(folder: Path, content: bytes, suffix: str = "") -> Path:
    return folder / named(content)[:2] / f"{named(content)}{suffix}"


@pytest.mark.parametrize("level", ["1", "19"])
def test_buffers_are_replaced_by_compressed_files(
    folder: Path, capsys: Captured, level: str
) -> None:
    assert compress(folder, "--level", level) == 0
    size = 0
    for content in (TEXT, LARGE):
        path = path_of(folder, content, ".zst")
        size += path.stat().st_size
        assert zstandard.ZstdDecompressor().decompress(path.read_bytes()) == content
        assert path.stat().st_mode & 0o777 == 0o444
        assert abs(path.stat().st_mtime - time.time()) < 60
        assert not path.with_suffix("").exists()
        assert BufferDirectory(folder).read(named(content)).content == content
    assert capsys.readouterr() == (
        f"{folder}: 2 buffers of {len(TEXT + LARGE)} bytes compressed to {size} bytes\n",
        "",
    )
    assert main(["verify", str(folder)]) == 0


def test_a_flat_directory_stays_flat(tmp_path: Path) -> None:
    put(tmp_path, TEXT, flat=True)
    assert compress(tmp_path) == 0
    assert os.listdir(tmp_path) == [f"{named(TEXT)}.zst"]


def test_files_for_which_it_does_not_pay_stay(tmp_path: Path, capsys: Captured) -> None:
    folder = make_directory(tmp_path / "b", [b"small" * 100, os.urandom(10_000)])
    put(folder, TEXT, suffix=".gz")
    linked = put(folder, TEXT[20:])
    os.link(linked, tmp_path / "link")
    put(folder, TEXT[40:], days=0)
    add_foreign_entries(folder)
    before = sorted(folder.rglob("*"))
    assert compress(folder) == 0
    assert sorted(folder.rglob("*")) == before
    assert "0 buffers of 0 bytes" in capsys.readouterr().out


def test_a_second_run_changes_nothing(folder: Path) -> None:
    assert compress(folder) == 0
    before = files_below(folder)
    assert compress(folder) == 0
    assert files_below(folder) == before


def test_a_damaged_buffer_is_named_and_stays(folder: Path, capsys: Captured) -> None:
    path = put(folder, TEXT, name=named(b"other"))
    assert compress(folder) == 1
    assert capsys.readouterr().err == (
        f"Error: {str(path)!r} is damaged and not compressed: verify --repair it\n"
    )
    assert path.read_bytes() == TEXT
    assert len(files_below(folder)) == 4


def test_a_file_that_changes_its_size_meanwhile_stays(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    path = path_of(folder, TEXT)
    compressor = zstandard.ZstdCompressor

    def grow(**options: Any) -> Any:
        path.chmod(0o644)
        path.write_bytes(TEXT * 2)
        return compressor(**options)

    monkeypatch.setattr(zstandard, "ZstdCompressor", grow)
    assert compress(folder) == 1
    assert "is damaged and not compressed" in capsys.readouterr().err
    assert path.exists()


def test_a_damaged_compressed_file_is_replaced(folder: Path) -> None:
    bad = path_of(folder, TEXT, ".zst")
    bad.write_bytes(b"damaged")
    set_age(bad, 10)
    assert compress(folder) == 0
    assert zstandard.ZstdDecompressor().decompress(bad.read_bytes()) == TEXT


@pytest.mark.parametrize("words", [["--level", "0"], ["--level", "20"], ["--level", "x"]])
def test_a_wrong_level_is_wrong_usage(folder: Path, words: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        compress(folder, *words)
    assert ended.value.code == 2


def test_a_full_disk_costs_no_buffer(
    folder: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    before = files_below(folder)
    monkeypatch.setattr(os, "fsync", full)
    assert compress(folder) == 1
    assert capsys.readouterr().err == "Error: No space left on device\n"
    assert files_below(folder) == before


def test_an_error_of_the_disk_for_one_of_many_files_costs_no_buffer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_directory(tmp_path / "many", [b"%d" % number * 5000 for number in range(80)])
    before = files_below(folder)
    fsync = os.fsync

    def fail_for_one(descriptor: int) -> None:
        if f"/.{named(b'7' * 5000)}" in os.readlink(f"/proc/self/fd/{descriptor}"):
            raise OSError(5, "Input/output error")
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", fail_for_one)
    assert compress(folder) == 1
    assert files_below(folder) == before


#: stops itself before or after a new file gets its name
KILLED = """
import os, signal, sys
from seamless.cli.buffers.main import main
step, number = os.{step}, int(sys.argv.pop(1))
os.{step} = lambda *words: os.kill(os.getpid(), number) or step(*words)
sys.exit(main())
"""


@pytest.mark.parametrize("step", ["replace", "unlink"])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_stopped_run_loses_nothing(folder: Path, step: str, number: signal.Signals) -> None:
    words = [sys.executable, "-c", KILLED.format(step=step), str(int(number))]
    child = subprocess.run(
        [*words, "compress", str(folder)], capture_output=True, check=False, timeout=60
    )
    assert child.returncode == (130 if number is signal.SIGINT else -number)
    assert child.stderr == b""
    assert main(["verify", str(folder)]) == 0
    for content in (TEXT, LARGE):
        assert BufferDirectory(folder).read(named(content)).content == content
    assert compress(folder) == 0
    for content in (TEXT, LARGE):
        assert BufferDirectory(folder).read(named(content)).content == content
        assert not path_of(folder, content).exists()
