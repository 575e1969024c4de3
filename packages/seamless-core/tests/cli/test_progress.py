"""The progress bar: shown on a terminal for long work only."""

from __future__ import annotations

import fcntl
import os
import struct
import subprocess
import termios
import time
from typing import TYPE_CHECKING

from command_runs import command, sha256

from seamless.cli.progress import DELAY_SECONDS, Progress

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


class Clock:
    """A clock that the test advances."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def count_to_ten(progress: Progress, clock: Clock, pause: float) -> None:
    with progress as advance:
        for _ in range(10):
            clock.now += pause
            if advance is not None:
                advance(1)


def read_all(terminal: int) -> bytes:
    """Return everything that was written to a terminal, after its writers have closed it."""
    parts = []
    while True:
        try:
            parts.append(os.read(terminal, 65536))
        except OSError:  # on Linux the end is an "input/output error"
            return b"".join(parts)
        if not parts[-1]:
            return b"".join(parts)


def run_slowly(folder: Path, stderr: int, pause: float) -> bytes:
    """Run `seamless-checksum` on a pipe whose writer pauses; return its output."""
    os.mkfifo(folder / "pipe")
    with subprocess.Popen(
        [command("seamless-checksum"), "pipe"], cwd=folder, stdout=subprocess.PIPE, stderr=stderr
    ) as process:
        with open(folder / "pipe", "wb", buffering=0) as pipe:
            pipe.write(b"one")
            time.sleep(pause)
            pipe.write(b"two")
        return process.communicate()[0]


def test_long_work_shows_a_bar(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    count_to_ten(Progress(10, "B", shown=True, clock=clock), clock, DELAY_SECONDS)
    assert "/10.0" in capsys.readouterr().err


def test_short_work_shows_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    count_to_ten(Progress(10, "B", shown=True, clock=clock), clock, DELAY_SECONDS / 100)
    assert capsys.readouterr().err == ""


def test_hidden_progress_counts_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    count_to_ten(Progress(10, "B", clock=clock), clock, DELAY_SECONDS)
    assert capsys.readouterr().err == ""


def test_a_terminal_shows_a_bar_and_the_output_is_clean(tmp_path: Path) -> None:
    terminal, stderr = os.openpty()
    fcntl.ioctl(stderr, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    output = run_slowly(tmp_path, stderr, 1.3 * DELAY_SECONDS)
    os.close(stderr)
    assert b"B/s" in read_all(terminal)
    os.close(terminal)
    assert output.decode() == sha256(b"onetwo") + "\n"


def test_a_pipe_shows_nothing(tmp_path: Path) -> None:
    reader, stderr = os.pipe()
    output = run_slowly(tmp_path, stderr, 1.3 * DELAY_SECONDS)
    os.close(stderr)
    with open(reader, "rb") as stream:
        assert stream.read() == b""
    assert output.decode() == sha256(b"onetwo") + "\n"
