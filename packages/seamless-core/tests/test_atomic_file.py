from __future__ import annotations

from pathlib import Path

import pytest

from seamless.atomic_file import write_atomically


def test_a_file_is_written(tmp_path: Path) -> None:
    write_atomically(tmp_path / "file", b"content")
    assert (tmp_path / "file").read_bytes() == b"content"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_file_is_replaced_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old content, longer")
    with path.open("rb") as reader:
        write_atomically(path, b"new")
        assert reader.read() == b"old content, longer"
    assert path.read_bytes() == b"new"


def test_a_durable_file_gets_its_mode(tmp_path: Path) -> None:
    write_atomically(tmp_path / "file", b"content", mode=0o444, durable=True)
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o444


def test_a_symbolic_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "target")
    write_atomically(tmp_path / "link", b"content")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "target").read_bytes() == b"content"


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with pytest.raises(TypeError):
        write_atomically(path, 5)  # type: ignore[arg-type]  # fails in the middle of writing
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("file", b"old")]


def test_an_error_names_the_file_that_was_asked_for(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as failure:
        write_atomically(tmp_path / "missing" / "file", b"")
    assert Path(str(failure.value.filename)) == tmp_path / "missing" / "file"
