"""`seamless-checksum-index`, with the installed command."""

from __future__ import annotations

import gzip
import json
import os
import signal
import socket
import subprocess
from typing import TYPE_CHECKING

import pytest
import zstandard
from command_runs import assert_one_error_line, command, files_below, run_command, sha256
from hypothesis import given, settings
from hypothesis import strategies as st

import seamless
from seamless import Buffer
from seamless.cli.checksum_index import write_index

if TYPE_CHECKING:
    from pathlib import Path

NAME = "seamless-checksum-index"


def index_of(folder: Path) -> dict[str, str]:
    """Return the index of a folder, after checking the two files that the command wrote."""
    result = run_command(NAME, folder.name, cwd=folder.parent)
    assert (result.returncode, result.stdout, result.stderr) == (0, b"", b"")
    content = folder.with_name(f"{folder.name}.INDEX").read_bytes()
    checksum = folder.with_name(f"{folder.name}.CHECKSUM").read_bytes()
    assert checksum == sha256(content).encode() + b"\n"
    index: dict[str, str] = json.loads(content)
    return index


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "d"
    path.mkdir()
    (path / "f").write_bytes(b"x")
    return path


def test_the_index_is_the_plain_json_of_the_checksums(folder: Path) -> None:
    (folder / "a").mkdir()
    (folder / "a" / "é").write_bytes(b"y")
    index_of(folder)
    assert (folder.parent / "d.INDEX").read_text(encoding="utf-8") == (
        f'{{\n  "a/é": "{sha256(b"y")}",\n  "f": "{sha256(b"x")}"\n}}\n'
    )


def test_compressed_files_are_indexed_as_plain_files(folder: Path) -> None:
    (folder / "g.gz").write_bytes(gzip.compress(b"g"))
    (folder / "z.zst").write_bytes(zstandard.compress(b"z") * 2)
    assert index_of(folder) == {"f": sha256(b"x"), "g": sha256(b"g"), "z": sha256(b"zz")}


def test_many_files_of_all_sizes_have_their_own_checksums(folder: Path) -> None:
    contents = {f"s{n % 7}/{n}": b"%d" % n * (n % 50) for n in range(1500)}
    contents |= {f"l/{n}": bytes([n]) * size for n, size in enumerate([65_535, 65_536, 65_537])}
    contents |= {f"l/big{n}": os.urandom(3_000_000 + n) for n in range(6)}
    for name, content in contents.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        if name.endswith("3"):
            path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(content, 1))
        else:
            path.write_bytes(content)
    expected = {name: sha256(content) for name, content in contents.items()}
    assert index_of(folder) == expected | {"f": sha256(b"x")}


@pytest.mark.parametrize("other", ["f.gz", "f.zst"])
def test_two_files_of_one_index_name_are_an_error_that_names_them(other: str, folder: Path) -> None:
    (folder / other).write_bytes(b"")
    text = assert_one_error_line(run_command(NAME, "d", cwd=folder.parent))
    assert "'d/f'" in text
    assert f"'d/{other}'" in text


def test_a_named_pipe_is_an_error_and_does_not_block(folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    assert "d/pipe" in assert_one_error_line(run_command(NAME, "d", cwd=folder.parent))


def test_a_link_to_a_device_is_an_error(folder: Path) -> None:
    (folder / "zero").symlink_to("/dev/zero")
    assert "d/zero" in assert_one_error_line(run_command(NAME, "d", cwd=folder.parent))


def test_a_socket_is_an_error(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)  # a socket's path has to be short
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket")
        assert "d/socket" in assert_one_error_line(run_command(NAME, "d", cwd=folder.parent))


def test_a_name_that_is_not_utf8_is_an_error(folder: Path) -> None:
    (folder / "a\udcff").write_bytes(b"")
    assert "UTF-8" in assert_one_error_line(run_command(NAME, "d", cwd=folder.parent))


def test_a_damaged_file_among_many_is_an_error_that_names_it(folder: Path) -> None:
    for n in range(1000):
        (folder / f"{n}").write_bytes(b"")
    (folder / "777.zst").write_bytes(zstandard.compress(os.urandom(100))[:-1])
    (folder / "777").unlink()
    assert "d/777.zst" in assert_one_error_line(run_command(NAME, "d", cwd=folder.parent))


@pytest.mark.parametrize("suffix", ["INDEX", "CHECKSUM"])
def test_a_folder_at_the_path_of_a_result_prevents_both_results(suffix: str, folder: Path) -> None:
    (folder.parent / f"d.{suffix}").mkdir()
    line = assert_one_error_line(run_command(NAME, "d", cwd=folder.parent))
    assert f"'d.{suffix}' has to be written" in line
    assert list(files_below(folder.parent)) == ["d/f"]


@pytest.mark.parametrize(("where", "stem"), [(".", "."), ("..", ".."), ("../d", "../d")])
def test_a_second_run_gives_the_same_bytes(where: str, stem: str, folder: Path) -> None:
    (folder / "sub").mkdir()
    (folder / "sub" / "g").write_bytes(b"y")
    inside = folder / "sub" if where == ".." else folder
    results = []
    for _ in range(2):
        assert run_command(NAME, where, cwd=inside).returncode == 0
        results.append((inside / f"{stem}.INDEX").read_bytes())
    assert results[0] == results[1]
    assert json.loads(results[0]) == {"f": sha256(b"x"), "sub/g": sha256(b"y")}


def test_older_results_inside_the_folder_are_files_like_others(folder: Path) -> None:
    (folder / "e.INDEX").write_bytes(b"{}\n")
    assert index_of(folder) == {"e.INDEX": sha256(b"{}\n"), "f": sha256(b"x")}


def test_a_path_that_is_not_a_folder_is_an_error(folder: Path) -> None:
    assert_one_error_line(run_command(NAME, "d/f", cwd=folder.parent))


@pytest.mark.skipif(not os.path.isdir("/proc/self/task"), reason="needs /proc to see threads")
def test_ctrl_c_among_large_files_ends_it_without_a_traceback(folder: Path) -> None:
    for name in ("a", "b", "c", "d"):
        with open(folder / name, "wb") as sparse:
            sparse.truncate(1 << 40)
    with subprocess.Popen(
        [command(NAME), "d"],
        cwd=folder.parent,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        while process.poll() is None and len(os.listdir(f"/proc/{process.pid}/task")) < 2:
            pass  # no pause: the critical moment is the start of the threads
        process.send_signal(signal.SIGINT)
        output = process.communicate()
    assert (process.returncode, output) == (130, (b"", b""))
    assert not (folder.parent / "d.INDEX").exists()


def test_it_prints_its_version() -> None:
    assert (
        run_command(NAME, "--version").stdout.decode() == f"seamless-core {seamless.__version__}\n"
    )


#: characters of file names, including those that JSON escapes
NAMES = st.text(
    st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1, max_size=40
).filter(lambda name: name not in {".", ".."} and not name.endswith((".gz", ".zst")))


@settings(deadline=None, max_examples=30)
@given(names=st.sets(NAMES | st.sampled_from(['"', "\\", "\n", "\x7f", "\u2028", "é"]), max_size=4))
def test_the_index_of_any_names_has_the_bytes_of_a_plain_buffer(
    tmp_path_factory: pytest.TempPathFactory, names: set[str]
) -> None:
    folder = tmp_path_factory.mktemp("any") / "d"
    folder.mkdir()
    for name in names:
        (folder / name).write_bytes(b"")
    write_index(str(folder))
    expected = Buffer(dict.fromkeys(names, sha256(b"")), "plain").content
    assert folder.with_name("d.INDEX").read_bytes() == expected
