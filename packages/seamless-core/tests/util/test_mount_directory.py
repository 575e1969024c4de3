from __future__ import annotations

import gzip
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import zstandard

from seamless import Buffer, CacheMissError
from seamless.util.mount_directory import write_to_directory

if TYPE_CHECKING:
    from pathlib import Path


def tree(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_contents_are_written_to_their_paths(tmp_path: Path) -> None:
    data = {"a": b"raw", "sub/deep/b": "text", "c": Buffer(b"buffer"), "d": {"x": 1}, "n": 5}
    write_to_directory(tmp_path / "new", data, cleanup=False, deep=False, text_only=False)
    assert tree(tmp_path / "new") == {
        "a": b"raw",
        "sub/deep/b": b"text\n",
        "c": b"buffer",
        "d": b'{\n  "x": 1\n}\n',
        "n": b"5\n",
    }


def test_an_array_is_written_as_binary(tmp_path: Path) -> None:
    write_to_directory(tmp_path, {"array": np.arange(3)})
    assert np.array_equal(np.load(tmp_path / "array"), np.arange(3))


def test_deep_contents_are_resolved(tmp_path: Path) -> None:
    buffer = Buffer(b"deep")
    checksum = buffer.get_checksum()
    write_to_directory(tmp_path, {"a": checksum, "b": checksum.hex()}, deep=True)
    assert tree(tmp_path) == {"a": b"deep", "b": b"deep"}


def test_a_checksum_that_can_not_be_resolved_is_a_cache_miss(tmp_path: Path) -> None:
    with pytest.raises(CacheMissError):
        write_to_directory(tmp_path, {"a": "12" * 32}, deep=True)


def test_text_only_leaves_out_other_contents(tmp_path: Path) -> None:
    write_to_directory(tmp_path, {"binary": b"\xff", "text": b"ok"}, text_only=True)
    assert tree(tmp_path) == {"text": b"ok"}


@pytest.mark.parametrize(
    ("suffix", "decompress"), [(".zst", zstandard.decompress), (".gz", gzip.decompress)]
)
def test_contents_can_be_compressed(tmp_path: Path, suffix: str, decompress: Any) -> None:
    write_to_directory(tmp_path, {"sub/a": b"content"}, compression_suffix=suffix)
    (name, content), *others = tree(tmp_path).items()
    assert (name, decompress(content), others) == (f"sub/a{suffix}", b"content", [])


def test_cleanup_removes_other_files(tmp_path: Path) -> None:
    write_to_directory(tmp_path, {"old": b"1", "kept/a": b"2", "kept/b": b"3", "gone/c": b"4"})
    (tmp_path / "link").symlink_to(tmp_path / "gone")
    write_to_directory(tmp_path, {"kept/a": b"5"}, cleanup=True)
    assert tree(tmp_path) == {"kept/a": b"5"}
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


def test_cleanup_of_a_folder_that_does_not_exist_does_nothing(tmp_path: Path) -> None:
    write_to_directory(tmp_path / "missing", {}, cleanup=True)
    assert tree(tmp_path) == {}


def test_gzip_data_do_not_depend_on_the_time(tmp_path: Path) -> None:
    write_to_directory(tmp_path, {"a": b"content"}, compression_suffix=".gz")
    assert tree(tmp_path) == {"a.gz": gzip.compress(b"content", mtime=0)}


def test_without_cleanup_other_files_stay(tmp_path: Path) -> None:
    write_to_directory(tmp_path, {"old": b"1"})
    write_to_directory(tmp_path, {"new": b"2"})
    assert tree(tmp_path) == {"old": b"1", "new": b"2"}


@pytest.mark.parametrize("name", ["../outside", "/absolute", "a/../../b", "."])
def test_a_path_outside_of_the_folder_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="relative path"):
        write_to_directory(tmp_path / "folder", {name: b"x"})
    assert tree(tmp_path) == {}


def test_anything_but_a_dict_is_a_type_error(tmp_path: Path) -> None:
    data: Any = [("a", b"")]
    with pytest.raises(TypeError, match="list"):
        write_to_directory(tmp_path, data)


def test_an_unknown_suffix_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"\.bz2"):
        write_to_directory(tmp_path, {"a": b""}, compression_suffix=".bz2")


def test_cleanup_does_not_follow_links(tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "kept").write_bytes(b"another user's")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "used").symlink_to("../own")
    (tmp_path / "folder" / "unused").symlink_to("../own")
    write_to_directory(tmp_path / "folder", {"used/new": b"new"}, cleanup=True)
    assert tree(tmp_path / "own") == {"kept": b"another user's", "new": b"new"}
    assert [path.name for path in (tmp_path / "folder").iterdir()] == ["used"]
