"""`seamless-buffers copy`, between directories and servers."""

from __future__ import annotations

import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from buffer_folders import make_directory, named, put
from command_runs import files_below
from fake_hashserver import Script, answering, running

from seamless.cli.buffers.main import main

if TYPE_CHECKING:
    from pathlib import Path

Captured = pytest.CaptureFixture[str]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = make_directory(tmp_path / "from", [b"a", b"b", b"not asked for"])
    put(folder, b"packed", suffix=".zst")
    return folder


def copy(*words: str | Path) -> int:
    return main(["copy", *map(str, words)])


def contents(folder: Path) -> set[bytes]:
    return {content for name, content in files_below(folder).items() if not name.startswith(".")}


def test_named_and_listed_buffers_are_copied(
    source: Path, tmp_path: Path, capsys: Captured
) -> None:
    live, target = tmp_path / "live", make_directory(tmp_path / "to")
    live.write_text(f"{named(b'b')}\n{named(b'packed')}\n# end: 2 checksums\n")
    assert copy(source, target, named(b"a").upper(), "--closure", live) == 0
    assert contents(target) == {b"a", b"b", b"packed"}
    assert capsys.readouterr() == (
        f"directory {target}: 3 buffers copied or there already\n",
        "",
    )


def test_a_missing_target_is_created(source: Path, tmp_path: Path) -> None:
    assert copy(source, tmp_path / "to", named(b"a")) == 0
    assert contents(tmp_path / "to") == {b"a"}


def test_what_can_not_be_read_is_named_and_the_others_are_copied(
    source: Path, tmp_path: Path, capsys: Captured
) -> None:
    put(source, b"wrong", name=named(b"right"))
    target = make_directory(tmp_path / "to")
    assert copy(source, target, named(b"gone"), named(b"right"), named(b"a")) == 1
    error = capsys.readouterr().err
    assert f"Error: {named(b'gone')}: not copied; directory {source}: no\n" in error
    assert f"Error: {named(b'right')}: not copied; directory {source}: wrong content\n" in error
    assert contents(target) == {b"a"}


def test_buffers_come_from_a_hashserver(tmp_path: Path) -> None:
    target = make_directory(tmp_path / "to")
    with running(Script(answering(b"remote"))) as server:
        assert copy(server.url, target, named(b"remote")) == 0
    assert contents(target) == {b"remote"}


def test_buffers_go_to_a_hashserver(source: Path) -> None:
    with running(Script(answering(b"OK"))) as server:
        assert copy(source, server.url, named(b"a")) == 0
    assert server.requests[0].startswith(f"PUT /{named(b'a')} ".encode())
    assert len(server.requests) == 1


def test_a_server_that_is_gone_is_one_line_for_each_buffer(source: Path, capsys: Captured) -> None:
    with running(Script(answering(b"OK"))) as server:
        url = server.url
    assert copy(source, url, named(b"a"), named(b"b")) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 2
    assert "can't connect" in error


@pytest.mark.parametrize("words", [["nowhere"], ["half"]])
def test_a_list_that_can_not_be_read_is_one_line(
    source: Path, tmp_path: Path, capsys: Captured, words: list[str]
) -> None:
    (tmp_path / "half").write_text("# begin: 2026-01-31T12:00:00Z\n")
    target = make_directory(tmp_path / "to")
    assert copy(source, target, "--closure", *(tmp_path / word for word in words)) == 1
    error = capsys.readouterr().err
    assert error.startswith("Error: ")
    assert error.count("\n") == 1
    assert contents(target) == set()


@pytest.mark.parametrize("words", [[], ["abc"], ["é" * 64]])
def test_wrong_usage_creates_nothing(source: Path, tmp_path: Path, words: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        copy(source, tmp_path / "to", *words)
    assert ended.value.code == 2
    assert not (tmp_path / "to").exists()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_stopped_copy_leaves_only_good_buffers(
    source: Path, tmp_path: Path, number: signal.Signals
) -> None:
    target = make_directory(tmp_path / "to")
    code = """
import os, signal, sys
from seamless.cli.buffers.main import main
number, replace = int(sys.argv.pop(1)), os.replace
os.replace = lambda *words: os.kill(os.getpid(), number) or replace(*words)
sys.exit(main())
"""
    words = ["copy", str(source), str(target), named(b"a"), named(b"b")]
    child = subprocess.run(
        [sys.executable, "-c", code, str(int(number)), *words],
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert child.returncode == (130 if number is signal.SIGINT else -number)
    assert child.stderr == b""
    assert main(["verify", str(target)]) == 0
    assert main(words) == 0
    assert {b"a", b"b"} <= contents(target)
