"""`seamless-checksum`, with the installed command."""

from __future__ import annotations

import gzip
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
import zstandard
from command_runs import (
    assert_one_error_line,
    command,
    files_below,
    frame_with_window,
    run_command,
    sha256,
)
from python_runs import run_python

import seamless

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NAME = "seamless-checksum"
#: limit of a command's memory, for a file of any size; Python itself takes 10 MB
MEMORY_BOUND = 100 << 20
MEASURE = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024)
"""


def peak_memory(path: Path) -> int:
    """Return the bytes that the command needs for a file, measured by a small parent process."""
    result = subprocess.run(
        [sys.executable, "-c", MEASURE, command(NAME), str(path)], capture_output=True, check=True
    )
    return int(result.stdout.split()[-1])


def test_it_prints_the_checksum(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"content")
    result = run_command(NAME, "f", cwd=tmp_path)
    assert (result.returncode, result.stderr) == (0, b"")
    assert result.stdout.decode() == sha256(b"content") + "\n"


@pytest.mark.parametrize(
    ("suffix", "compress"), [(".gz", gzip.compress), (".zst", zstandard.compress)]
)
def test_a_compressed_file_has_the_checksum_of_the_plain_one(
    suffix: str, compress: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    path = tmp_path / f"f{suffix}"
    path.write_bytes(compress(b"one ") + compress(b"two"))
    assert run_command(NAME, str(path)).stdout.decode() == sha256(b"one two") + "\n"


@pytest.mark.parametrize("name", ["cut.zst", "cut.gz"])
def test_truncated_data_are_one_line_of_error(name: str, tmp_path: Path) -> None:
    compress = gzip.compress if name.endswith(".gz") else zstandard.compress
    (tmp_path / name).write_bytes(compress(os.urandom(10_000))[:-5])
    result = run_command(NAME, name, cwd=tmp_path)
    text = assert_one_error_line(result)
    assert name in text
    assert "truncated" in text
    assert result.stdout == b""


@pytest.mark.parametrize("many", [1, 600], ids=["one file", "many files"])
@pytest.mark.parametrize(
    "name", ["seamless-checksum", "seamless-checksum-file", "seamless-checksum-index"]
)
def test_memory_for_decompressing_is_an_option(name: str, many: int, tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    for number in range(many):
        (tmp_path / "d" / f"f{number}.zst").write_bytes(frame_with_window(29, b"content"))
    path = "d" if name.endswith("index") else "d/f0.zst"
    assert run_command(name, path, cwd=tmp_path).returncode == 0
    assert run_command(name, path, "--memory", "512MiB", cwd=tmp_path).returncode == 0
    before = files_below(tmp_path)
    text = assert_one_error_line(run_command(name, "--memory=511MiB", path, cwd=tmp_path))
    assert "f0.zst" in text
    assert "--memory" in text
    assert files_below(tmp_path) == before
    refused = run_command(name, path, "--memory", "much", cwd=tmp_path)
    assert refused.returncode == 2
    assert b"512MB" in refused.stderr


@pytest.mark.parametrize("name", ["missing", "line\nbreak", "fo\udcfflder", ""])
def test_a_missing_file_is_one_line_of_error(name: str, tmp_path: Path) -> None:
    assert_one_error_line(run_command(NAME, name, cwd=tmp_path))


def test_a_folder_is_one_line_of_error(tmp_path: Path) -> None:
    assert "directory" in assert_one_error_line(run_command(NAME, str(tmp_path)))


def test_wrong_usage_has_status_2() -> None:
    assert run_command(NAME, "a", "b").returncode == 2


def test_it_prints_its_version() -> None:
    assert (
        run_command(NAME, "--version").stdout.decode() == f"seamless-core {seamless.__version__}\n"
    )


def test_help_says_what_a_suffix_means() -> None:
    assert b"*.gz" in run_command(NAME, "--help").stdout


def test_a_named_pipe_is_read_to_its_end(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with subprocess.Popen([command(NAME), "pipe"], cwd=tmp_path, stdout=subprocess.PIPE) as process:
        (tmp_path / "pipe").write_bytes(b"through a pipe")
        assert process.communicate()[0].decode() == sha256(b"through a pipe") + "\n"


def test_a_closed_pipe_prints_no_error(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"")
    reader, writer = os.pipe()
    os.close(reader)
    result = run_command(NAME, "f", cwd=tmp_path, stdout=writer)
    os.close(writer)
    assert (result.returncode, result.stderr) == (141, b"")


def test_a_closed_output_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"")
    result = subprocess.run(
        ["sh", "-c", 'exec "$0" f >&-', command(NAME)],
        cwd=tmp_path,
        capture_output=True,
        check=False,
    )
    assert_one_error_line(result)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no /dev/full")
def test_a_full_disk_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"")
    with open("/dev/full", "wb") as full:
        assert_one_error_line(run_command(NAME, "f", cwd=tmp_path, stdout=full))


def test_ctrl_c_ends_it_without_a_traceback(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    process = subprocess.Popen(
        [command(NAME), "pipe"], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    with process, open(tmp_path / "pipe", "wb", buffering=0) as pipe:
        pipe.write(b"x")  # the pipe opens once the command reads
        process.send_signal(signal.SIGINT)
        output = process.communicate()
    assert (process.returncode, output) == (130, (b"", b""))


def test_a_large_file_needs_no_more_memory_than_a_small_one(tmp_path: Path) -> None:
    with open(tmp_path / "sparse", "wb") as sparse:
        sparse.truncate(1 << 30)
    assert peak_memory(tmp_path / "sparse") < MEMORY_BOUND


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
def test_a_tiny_file_that_becomes_huge_needs_no_more_memory(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"zeros{suffix}"
    megabyte = bytes(1 << 20)
    with gzip.open(path, "wb", 1) if suffix == ".gz" else zstandard.open(path, "wb") as packed:
        for _ in range(300):
            packed.write(megabyte)
    assert peak_memory(path) < MEMORY_BOUND


def test_it_starts_without_heavy_imports(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"")
    script = (
        "import sys; from seamless.cli.checksum import main; main(['f']);"
        "heavy = {'numpy', 'orjson', 'tqdm', 'zstandard', 'gzip', 'asyncio'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    result = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, check=True
    )
    assert result.stdout.decode().splitlines()[-1] == "[]"


def test_a_name_that_begins_with_a_dash_follows_two_dashes(tmp_path: Path) -> None:
    (tmp_path / "-f").write_bytes(b"x")
    result = run_command(NAME, "--", "-f", cwd=tmp_path)
    assert result.stdout.decode() == f"{sha256(b'x')}\n"


@pytest.mark.parametrize("words", [[], ["a", "b"], ["--nonsense"], ["a", "--nonsense"]])
def test_any_other_number_of_arguments_is_wrong_usage(words: list[str], tmp_path: Path) -> None:
    result = run_command(NAME, *words, cwd=tmp_path)
    assert (result.returncode, result.stdout) == (2, b"")
    assert result.stderr.startswith(b"usage: seamless-checksum")


def test_a_call_with_one_path_does_not_import_argparse(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"")
    code = """
        import sys
        before = set(sys.modules)
        from seamless.cli.checksum import main
        main(sys.argv[1:])
        print((set(sys.modules) - before) & {"argparse", "gettext", "re", "typing"})
    """
    assert run_python(code, str(tmp_path / "f")).stdout.splitlines()[1] == "set()"
