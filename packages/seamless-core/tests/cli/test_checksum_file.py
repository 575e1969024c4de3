"""`seamless-checksum-file`, with the installed command."""

from __future__ import annotations

import gzip
import os
import resource
from typing import TYPE_CHECKING

import pytest
from command_runs import assert_one_error_line, files_below, run_command, sha256

import seamless

if TYPE_CHECKING:
    from pathlib import Path

NAME = "seamless-checksum-file"


def line(content: bytes) -> bytes:
    """Return the content of the sidecar of a file with this content."""
    return sha256(content).encode() + b"\n"


def test_it_writes_the_checksum_beside_the_file(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"x")
    result = run_command(NAME, "f", cwd=tmp_path)
    assert (result.returncode, result.stdout, result.stderr) == (0, b"", b"")
    assert files_below(tmp_path) == {"f": b"x", "f.CHECKSUM": line(b"x")}


@pytest.mark.parametrize(
    ("name", "sidecar"),
    [
        ("f.gz", "f.CHECKSUM"),
        ("f.INDEX", "f.CHECKSUM"),
        ("f.INDEX.gz", "f.CHECKSUM"),
        (".gz", ".CHECKSUM"),
        (".INDEX", ".INDEX.CHECKSUM"),
        ("f.CHECKSUM", "f.CHECKSUM.CHECKSUM"),
    ],
)
def test_the_sidecar_has_the_name_of_the_uncompressed_file(
    name: str, sidecar: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(gzip.compress(b"x") if name.endswith(".gz") else b"x")
    assert run_command(NAME, name, cwd=tmp_path).returncode == 0
    assert files_below(tmp_path)[sidecar] == line(b"x")


def test_permissions_are_those_of_any_new_file(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"x")
    run_command(NAME, "f", cwd=tmp_path, umask=0o027)
    assert (tmp_path / "f.CHECKSUM").stat().st_mode & 0o777 == 0o640


def test_a_folder_at_the_path_of_the_sidecar_is_one_line_of_error(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"x")
    (tmp_path / "f.CHECKSUM").mkdir()
    assert "f.CHECKSUM" in assert_one_error_line(run_command(NAME, "f", cwd=tmp_path))
    assert os.listdir(tmp_path / "f.CHECKSUM") == []
    assert sorted(os.listdir(tmp_path)) == ["f", "f.CHECKSUM"]


def test_a_sidecar_that_cannot_be_written_completely_is_unchanged(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"x")
    (tmp_path / "f.CHECKSUM").write_bytes(b"old")
    result = run_command(
        NAME,
        "f",
        cwd=tmp_path,
        env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (10, 10)),
    )
    assert_one_error_line(result)
    assert files_below(tmp_path) == {"f": b"x", "f.CHECKSUM": b"old"}


def test_a_damaged_file_gets_no_sidecar(tmp_path: Path) -> None:
    (tmp_path / "f.gz").write_bytes(b"no gzip")
    assert_one_error_line(run_command(NAME, "f.gz", cwd=tmp_path))
    assert list(files_below(tmp_path)) == ["f.gz"]


def test_a_missing_file_gets_no_sidecar(tmp_path: Path) -> None:
    assert_one_error_line(run_command(NAME, "f", cwd=tmp_path))
    assert files_below(tmp_path) == {}


def test_it_prints_its_version() -> None:
    assert (
        run_command(NAME, "--version").stdout.decode() == f"seamless-core {seamless.__version__}\n"
    )
