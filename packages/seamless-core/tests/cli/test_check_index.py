"""`seamless-checksum-index --check` and `--keep-going`, with the installed command."""

from __future__ import annotations

import gzip
import os
from typing import TYPE_CHECKING

import pytest
from command_runs import assert_one_error_line, files_below, run_command, sha256

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

NAME = "seamless-checksum-index"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of 700 files, so that they are read by several processes, with its index."""
    path = tmp_path / "data"
    (path / "sub").mkdir(parents=True)
    for number in range(700):
        (path / "sub" / f"f{number}").write_bytes(b"%d" % number)
    (path / "large").write_bytes(bytes(200_000))
    (path / "packed.gz").write_bytes(gzip.compress(b"packed"))
    assert run_command(NAME, "data", cwd=tmp_path).returncode == 0
    return path


def check(folder: Path, *args: str) -> subprocess.CompletedProcess[bytes]:
    return run_command(NAME, "--check", "data.INDEX", *args, cwd=folder.parent)


# -- check --------------------------------------------------------------------------------------


def test_a_folder_that_matches_its_index_is_ok(folder: Path) -> None:
    before = files_below(folder.parent)
    result = check(folder)
    assert (result.returncode, result.stderr) == (0, b"")
    assert result.stdout == b"data: OK, 702 files\n"
    assert files_below(folder.parent) == before


def test_every_difference_is_listed(folder: Path) -> None:
    (folder / "sub" / "f3").write_bytes(b"other")
    (folder / "large").write_bytes(bytes(199_999) + b"x")
    (folder / "sub" / "f5").unlink()
    (folder / "new\nfile").write_bytes(b"")
    (folder / "packed.gz").write_bytes(b"damaged")

    result = check(folder)

    assert result.returncode == 1
    assert result.stdout.decode().splitlines() == [
        "large: FAILED",
        r"new\nfile: ADDED",
        "packed: FAILED, can't be read",
        "sub/f3: FAILED",
        "sub/f5: MISSING",
    ]
    *problems, last = result.stderr.decode().splitlines()
    assert len(problems) == 1
    assert "packed.gz" in problems[0]
    assert (
        last
        == "Error: 'data' differs from 'data.INDEX': 5 files differ, and 1 entries can't be read"
    )


def test_an_entry_that_no_index_can_hold_is_a_difference(folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    result = check(folder)
    assert (result.returncode, result.stdout) == (1, b"")
    problem, last = result.stderr.decode().splitlines()
    assert "neither a file nor a folder" in problem
    assert "0 files differ, and 1 entries can't be read" in last


def test_a_file_that_is_decompressed_later_is_the_same(folder: Path) -> None:
    (folder / "packed.gz").unlink()
    (folder / "packed").write_bytes(b"packed")
    assert check(folder).returncode == 0


def test_a_copy_elsewhere_is_checked_by_its_path(folder: Path) -> None:
    folder.rename(folder.with_name("copy"))
    (folder.parent / "data.INDEX").rename(folder.parent / "list")
    assert "directory" in assert_one_error_line(
        run_command(NAME, "--check", "list", cwd=folder.parent)
    )
    result = run_command(NAME, "--check", "list", "copy", cwd=folder.parent)
    assert (result.returncode, result.stdout) == (0, b"copy: OK, 702 files\n")


def test_an_index_inside_its_folder_is_not_part_of_it(folder: Path) -> None:
    assert run_command(NAME, ".", cwd=folder).returncode == 0
    assert run_command(NAME, "--check", "..INDEX", cwd=folder).returncode == 0


@pytest.mark.parametrize(
    "content", [b"", b"text", b"[]", b'{"f": 1}', b'{"f": "ab"}', b"\xff", b"null"]
)
def test_a_file_that_is_not_an_index_is_one_line_of_error(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d.INDEX").write_bytes(content)
    result = run_command(NAME, "--check", "d.INDEX", cwd=tmp_path)
    assert "'d.INDEX' is not an index" in assert_one_error_line(result)


def test_an_index_or_folder_that_is_missing_is_one_line_of_error(tmp_path: Path) -> None:
    assert_one_error_line(run_command(NAME, "--check", "d.INDEX", cwd=tmp_path))
    (tmp_path / "d.INDEX").write_bytes(b"{}\n")
    result = run_command(NAME, "--check", "d.INDEX", cwd=tmp_path)
    assert "'d' is not a directory" in assert_one_error_line(result)


@pytest.mark.parametrize("option", [["--keep-going"], ["--cache", "c"], ["--each", "data"]])
def test_check_excludes_the_options_of_writing(option: list[str], folder: Path) -> None:
    assert check(folder, *option).returncode == 2


# -- keep going ---------------------------------------------------------------------------------


def spoil(folder: Path) -> list[str]:
    """Add entries that can't be indexed to a folder; return what each error must name."""
    (folder / "sub" / "bad.gz").write_bytes(b"no gzip")
    (folder / "large.gz").write_bytes(gzip.compress(os.urandom(3_000_000))[:-9])
    (folder / "link").symlink_to("gone")
    os.mkfifo(folder / "pipe")
    (folder / "packed").write_bytes(b"")
    (folder / "caf\udce9").write_bytes(b"")
    return ["bad.gz", "large.gz", "link", "pipe", "'packed'", "udce9"]


def test_every_unreadable_entry_is_reported_and_nothing_is_written(folder: Path) -> None:
    (folder / "large").unlink()
    names = spoil(folder)
    before = files_below(folder.parent)

    result = run_command(NAME, "data", "--keep-going", cwd=folder.parent)

    assert result.returncode == 1
    assert files_below(folder.parent) == before
    lines = result.stderr.decode().splitlines()
    assert [name for name in names if not any(name in line for line in lines)] == []
    assert len(lines) == len(names) + 1
    assert sum("'data': no index is written, as 6 of its entries" in line for line in lines) == 1


def test_without_the_option_the_first_failure_ends_the_command(folder: Path) -> None:
    spoil(folder)
    assert_one_error_line(run_command(NAME, "data", cwd=folder.parent))


def test_an_index_without_failures_is_the_same_with_the_option(folder: Path) -> None:
    before = files_below(folder.parent)
    (folder.parent / "data.INDEX").unlink()
    result = run_command(NAME, "--keep-going", "data", cwd=folder.parent)
    assert (result.returncode, result.stdout, result.stderr) == (0, b"", b"")
    assert files_below(folder.parent) == before


def test_each_of_several_folders_reports_its_own_failures(folder: Path) -> None:
    (folder / "link").symlink_to("gone")
    other = folder.with_name("other")
    other.mkdir()
    (other / "f").write_bytes(b"f")
    result = run_command(NAME, "--keep-going", "--each", "data", "other", cwd=folder.parent)
    assert result.returncode == 1
    assert result.stderr.count(b"\n") == 2
    assert (folder.parent / "other.INDEX").read_bytes() == (
        f'{{\n  "f": "{sha256(b"f")}"\n}}\n'.encode()
    )


def test_checksums_are_cached_although_one_file_failed(folder: Path) -> None:
    (folder / "bad.gz").write_bytes(b"no gzip")
    arguments = ["data", "--keep-going", "--cache", "c"]
    result = run_command(NAME, *arguments, cwd=folder.parent)
    assert result.returncode == 1
    assert (folder.parent / "c").is_file()
    (folder / "bad.gz").unlink()
    index = (folder.parent / "data.INDEX").read_bytes()
    assert run_command(NAME, *arguments, cwd=folder.parent).returncode == 0
    assert (folder.parent / "data.INDEX").read_bytes() == index
