"""`seamless-buffers stats`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest
from buffer_folders import add_foreign_entries, make_directory, named, put

from seamless.cli.buffers.main import main

if TYPE_CHECKING:
    from pathlib import Path


def stats(folder: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    """Return the first word of each printed line, or the words of an age or size → the rest."""
    assert main(["stats", str(folder)]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    return {line[:14].strip(): " ".join(line[14:].split()) for line in captured.out.splitlines()}


@pytest.mark.parametrize("flat", [False, True])
def test_buffers_are_counted_by_age_and_size(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], flat: bool
) -> None:
    put(tmp_path, b"new", days=0.5, flat=flat)
    put(tmp_path, b"x" * 2000, days=400, flat=flat)
    packed = put(tmp_path, b"y" * 5000, days=40, suffix=".zst", flat=flat).stat().st_size
    shown = stats(tmp_path, capsys)
    assert shown["buffers"] == "3"
    assert shown["bytes"] == str(3 + 2000 + packed)
    assert shown["compressed"] == f"1 buffers of {packed} bytes"
    assert shown["oldest"].endswith(named(b"x" * 2000))
    assert shown["largest"] == f"2000 bytes {named(b'x' * 2000)}"
    assert shown["under a day"] == "1 3"
    assert shown["under a year"] == f"1 {packed}"
    assert shown["older"] == "1 2000"
    assert shown["under 1 KiB"] == f"2 {3 + packed}"
    assert shown["under 64 KiB"] == "1 2000"


def test_what_is_not_a_buffer_is_counted_apart(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = make_directory(tmp_path / "b", [b"a"])
    foreign = add_foreign_entries(folder)
    beside = folder / named(b"a")[:2]
    (beside / f"{named(b'a')}.LOCK").touch()
    (beside / f".{named(b'a')}.0123456789ab.tmp").touch()
    (beside / f"{named(b'a')}.zst.damaged").touch()
    shown = stats(folder, capsys)
    assert shown["buffers"] == "1"
    assert shown["other files"] == str(len(foreign))
    assert shown["being written"] == "2"
    assert shown["set aside"] == "1"


def test_an_empty_directory_of_the_hashserver_has_no_buffers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert stats(make_directory(tmp_path / "b"), capsys)["buffers"] == "0"


@pytest.mark.parametrize("kind", ["missing", "file", "foreign"])
def test_what_is_no_buffer_directory_is_refused(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "d"
    if kind == "file":
        path.touch()
    elif kind == "foreign":
        path.mkdir()
        (path / "photo.jpg").touch()
    assert main(["stats", str(path)]) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"Error: {str(path)!r}")
    assert error.count("\n") == 1


def test_a_prefix_that_can_not_be_listed_is_reported_and_the_others_are_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_directory(tmp_path / "b", [b"a", b"b"])
    closed = str(folder / named(b"b")[:2])
    scandir = os.scandir

    def deny(path: str) -> Any:  # root may list every folder
        if path == closed:
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", deny)
    assert main(["stats", str(folder)]) == 1
    captured = capsys.readouterr()
    assert "buffers       1\n" in captured.out
    assert captured.err == f"Error: {closed!r}: Permission denied\n"
