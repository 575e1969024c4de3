"""Runs of the command `seamless-database` that end, and what a failed start must report."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

from database_server import TIMEOUT

from seamless_database.cli.main import main

#: what a launcher has written to the status file
LAUNCHER = {"pid": 7, "workdir": "/somewhere", "status": "starting", "port": 1}


@dataclass(frozen=True)
class Ended:
    """How a run of the command ended."""

    code: int
    out: str
    err: str


def run(*words: object, **options: object) -> Ended:
    """Run the command to its end."""
    command = [sys.executable, "-m", "seamless_database", *map(str, words)]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=TIMEOUT, check=False, **options
    )  # type: ignore[call-overload]  # options of subprocess
    return Ended(done.returncode, done.stdout, done.stderr)


def attempt(*words: object) -> Ended:
    """Run the command in this process, for starts that fail before anything is begun."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = main([str(word) for word in words])
    return Ended(code, out.getvalue(), err.getvalue())


def assert_failed(ended: Ended, status: Path, *named: str) -> None:
    """The exit code is 1, stderr one line that names the cause, the status file says "failed"."""
    assert ended.code == 1
    assert ended.err.startswith("Error: ")
    assert ended.err.count("\n") == 1
    for part in named:
        assert part in ended.err
    assert json.loads(status.read_text()) == {**LAUNCHER, "status": "failed"}


def assert_usage_error(ended: Ended, status: Path, *named: str) -> None:
    """The exit code is 2, stderr the usage and a message, the status file says "failed"."""
    assert ended.code == 2
    assert ended.out == ""
    assert ended.err.startswith("usage: seamless-database ")
    _, message = ended.err.split("\nseamless-database: error: ")
    assert message.count("\n") == 1
    for part in named:
        assert part in message
    assert json.loads(status.read_text()) == {**LAUNCHER, "status": "failed"}
