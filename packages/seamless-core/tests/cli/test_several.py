"""Several paths in one run, and standard input, with the installed commands."""

from __future__ import annotations

import gzip
import os
import subprocess
from typing import TYPE_CHECKING

import pytest
from command_runs import assert_one_error_line, command, files_below, run_command, sha256

if TYPE_CHECKING:
    from pathlib import Path

COMMANDS = ["seamless-checksum", "seamless-checksum-file", "seamless-checksum-index"]


def lines_of(folder: Path, *args: str) -> list[str]:
    """Return the lines that `seamless-checksum --each` prints for readable paths."""
    result = run_command("seamless-checksum", "--each", *args, cwd=folder)
    assert (result.returncode, result.stderr) == (0, b"")
    return result.stdout.decode(errors="surrogateescape").splitlines()


def test_several_checksums_are_lines_as_sha256sum_prints_them(tmp_path: Path) -> None:
    contents = {f"f{n}": b"%d" % n * n for n in range(600)} | {"large": bytes(3_000_000)}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)

    lines = lines_of(tmp_path, *contents)

    assert lines == [f"{sha256(content)}  {name}" for name, content in contents.items()]
    (tmp_path / "SUMS").write_text("\n".join(lines) + "\n")
    check = ["sha256sum", "--check", "--quiet", "SUMS"]
    assert subprocess.run(check, cwd=tmp_path, check=False).returncode == 0


def test_a_compressed_file_among_several_counts_by_its_content(tmp_path: Path) -> None:
    (tmp_path / "f.gz").write_bytes(gzip.compress(b"x"))
    assert lines_of(tmp_path, "f.gz") == [f"{sha256(b'x')}  f.gz"]


@pytest.mark.parametrize("name", ["line\nbreak", "back\\slash", "caf\udce9"])
def test_a_name_with_line_breaks_is_one_line_that_sha256sum_reads(
    name: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(b"x")
    result = run_command("seamless-checksum", "--each", name, cwd=tmp_path)
    assert result.stdout.count(b"\n") == 1
    (tmp_path / "SUMS").write_bytes(result.stdout)
    check = ["sha256sum", "--check", "--quiet", "SUMS"]
    assert subprocess.run(check, cwd=tmp_path, check=False).returncode == 0


def test_unreadable_files_are_reported_and_the_others_are_printed(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"a")
    (tmp_path / "bad.gz").write_bytes(b"no gzip")
    (tmp_path / "d").mkdir()
    result = run_command(
        "seamless-checksum", "--each", "gone", "a", "bad.gz", "d", "a", cwd=tmp_path
    )
    assert result.returncode == 1
    assert result.stdout.decode() == f"{sha256(b'a')}  a\n" * 2
    errors = result.stderr.decode().splitlines()
    assert len(errors) == 3
    assert all(line.startswith("Error: ") for line in errors)
    assert [name for name in ("gone", "bad.gz", "'d'") if name not in result.stderr.decode()] == []


def test_a_pipe_among_several_is_read_once(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"f")
    os.mkfifo(tmp_path / "pipe")
    content = os.urandom(200_000)
    arguments = [command("seamless-checksum"), "--each", "f", "pipe"]
    with subprocess.Popen(arguments, cwd=tmp_path, stdout=subprocess.PIPE) as process:
        (tmp_path / "pipe").write_bytes(content)
        output = process.communicate(timeout=60)[0].decode()
    assert output == f"{sha256(b'f')}  f\n{sha256(content)}  pipe\n"


# -- standard input ----------------------------------------------------------------------------


@pytest.mark.parametrize("content", [b"", b"content", bytes(1_000_000)])
def test_a_hyphen_is_standard_input(content: bytes, tmp_path: Path) -> None:
    result = run_command("seamless-checksum", "-", cwd=tmp_path, input=content)
    assert (result.returncode, result.stdout.decode()) == (0, sha256(content) + "\n")


def test_standard_input_may_be_one_of_several(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"f")
    result = run_command("seamless-checksum", "--each", "f", "-", cwd=tmp_path, input=b"in")
    assert result.stdout.decode() == f"{sha256(b'f')}  f\n{sha256(b'in')}  -\n"


def test_standard_input_that_is_closed_is_one_line_of_error(tmp_path: Path) -> None:
    result = subprocess.run(
        ["sh", "-c", 'exec "$0" - <&-', command("seamless-checksum")],
        cwd=tmp_path, capture_output=True, check=False,
    )  # fmt: skip
    assert "standard input" in assert_one_error_line(result)


# -- sidecars -----------------------------------------------------------------------------------


def test_each_file_gets_its_sidecar(tmp_path: Path) -> None:
    for name in ("a", "-"):
        (tmp_path / name).write_bytes(name.encode())
    result = run_command("seamless-checksum-file", "--each", "gone", "a", "-", cwd=tmp_path)
    assert "gone" in assert_one_error_line(result)
    found = files_below(tmp_path)
    assert found["a.CHECKSUM"] == sha256(b"a").encode() + b"\n"
    assert found["-.CHECKSUM"] == sha256(b"-").encode() + b"\n"
    assert len(found) == 4


def test_two_files_of_one_sidecar_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"1")
    (tmp_path / "f.gz").write_bytes(gzip.compress(b"2"))
    (tmp_path / "g").write_bytes(b"3")
    before = files_below(tmp_path)
    result = run_command("seamless-checksum-file", "--each", "g", "f", "f.gz", cwd=tmp_path)
    assert "f.CHECKSUM" in assert_one_error_line(result)
    assert files_below(tmp_path) == before


def test_each_folder_gets_its_index(tmp_path: Path) -> None:
    for name in ("d", "e"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "f").write_bytes(name.encode())
    result = run_command("seamless-checksum-index", "--each", "d", "gone", "e", cwd=tmp_path)
    assert "gone" in assert_one_error_line(result)
    found = files_below(tmp_path)
    for name in ("d", "e"):
        assert found[f"{name}.INDEX"] == f'{{\n  "f": "{sha256(name.encode())}"\n}}\n'.encode()
        assert found[f"{name}.CHECKSUM"] == sha256(found[f"{name}.INDEX"]).encode() + b"\n"


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("args", [[], ["a", "b"], ["a", "--each", "b"], ["--each"]])
def test_one_path_or_several_after_each_are_required(
    name: str, args: list[str], tmp_path: Path
) -> None:
    result = run_command(name, *args, cwd=tmp_path)
    assert result.returncode == 2
    assert b"--each" in result.stderr
