"""Replacing files as a whole."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from seamless.atomic_file import write_atomically


def permissions(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_new_file_has_the_permissions_that_open_gives(tmp_path: Path) -> None:
    (tmp_path / "opened").write_bytes(b"")
    write_atomically(tmp_path / "new", b"content")

    assert (tmp_path / "new").read_bytes() == b"content"
    assert permissions(tmp_path / "new") == permissions(tmp_path / "opened")


def test_a_replaced_file_keeps_its_permissions(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    path.chmod(0o640)
    write_atomically(path, b"new", durable=True)

    assert path.read_bytes() == b"new"
    assert permissions(path) == 0o640


def test_permissions_can_be_asked_for(tmp_path: Path) -> None:
    write_atomically(tmp_path / "file", b"", mode=0o444)
    assert permissions(tmp_path / "file") == 0o444


def test_a_symbolic_link_stays_one_and_its_target_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "target").write_bytes(b"old")
    (tmp_path / "link").symlink_to("target")
    write_atomically(tmp_path / "link", b"new")

    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "target").read_bytes() == b"new"


def test_a_failure_leaves_nothing_behind_and_names_the_file_asked_for(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match="folder") as caught:
        write_atomically(tmp_path / "folder", b"x")

    assert caught.value.filename == str(tmp_path / "folder")
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_a_name_of_the_longest_length_can_be_written(tmp_path: Path) -> None:
    path = tmp_path / ("n" * 255)
    write_atomically(path, b"x")
    assert path.read_bytes() == b"x"
