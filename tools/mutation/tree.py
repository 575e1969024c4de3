"""A copy of the checkout for mutants, and pytest runs in it that are ended with all they started.

The copies of the sources come first on `PYTHONPATH`, so that subprocesses import them too. Every
process of a run carries a mark in its environment, by which it is found in /proc.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

ROOT = Path(__file__).resolve().parents[2]
HOME = ROOT / ".dev" / str(sys.implementation.cache_tag) / "mutate"
TREE = HOME / "tree"
SOURCES = ("packages/seamless-core/src", "packages/seamless-database/src")
_MARK = "MUTATION_RUN"
_LEFT_OUT = (".git", ".dev", "dist", "__pycache__", ".*_cache", ".hypothesis")


def make() -> None:
    """Copy the checkout as it is now."""
    shutil.rmtree(TREE, ignore_errors=True)
    shutil.copytree(ROOT, TREE, ignore=shutil.ignore_patterns(*_LEFT_OUT), symlinks=True)


def run_pytest(
    words: Iterable[str], *, timeout: float, variables: Mapping[str, str] | None = None
) -> tuple[int | None, str]:
    """Run pytest in the copy; returns its exit status, None after a timeout, and its output."""
    mark = uuid.uuid4().hex
    paths = [HOME / "start", *(TREE / at for at in SOURCES), TREE]
    env = os.environ | {
        "PYTHONPATH": os.pathsep.join(map(str, paths)),
        "PYTHONDONTWRITEBYTECODE": "1",  # a module may change twice within a second
        "SEAMLESS_SHARED": os.environ.get("SEAMLESS_SHARED") or str(ROOT.parent / "shared"),
        _MARK: mark,
        **(variables or {}),
    }
    log = HOME / "last.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *words],
            cwd=TREE, env=env, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
            start_new_session=True,
        )  # fmt: skip
        status: int | None
        try:
            status = process.wait(timeout)
        except subprocess.TimeoutExpired:
            status = None
        finally:
            end_processes(mark)
            process.wait()
    return status, log.read_text(errors="replace")


def end_processes(mark: str) -> None:
    """Kill every process whose environment carries the mark of a run."""
    wanted = f"{_MARK}={mark}".encode()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if wanted in (folder / "environ").read_bytes().split(b"\0"):
                os.kill(int(folder.name), signal.SIGKILL)
        except OSError:
            continue  # it has ended, or belongs to another user
