"""The published database server, in an environment of its own below `.dev/`."""

from __future__ import annotations

import fcntl
import json
import subprocess
import sys
import time
from functools import cache
from pathlib import Path

import pytest
from database_server import TIMEOUT, Server

VERSION = "2.1.0"
HOME = Path(__file__).resolve().parents[2] / ".dev"


def installed(name: str, version: str, *also: str) -> Path:
    """Find the environment of a published distribution, making it at the first call.

    `also` is what the distribution needs and does not ask for. Skips the test where there is
    no package index.
    """
    home = HOME / f"published-{name}-{version}"
    stamp = home / "complete"
    HOME.mkdir(exist_ok=True)
    with home.with_name(f"{home.name}.lock").open("w") as lock:
        # tests run in several processes, and several files ask for the same environment
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not stamp.is_file():
            _install(home, f"{name}=={version}", *also)
            stamp.touch()
    return home


def _install(home: Path, *requirements: str) -> None:
    try:
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(home)], check=True)
        subprocess.run(
            [str(home / "bin" / "python"), "-m", "pip", "install", "-q", *requirements],
            check=True,
            capture_output=True,
            text=True,
        )
    except subprocess.CalledProcessError as error:
        pytest.skip(f"{' '.join(requirements)} cannot be installed: {error.stderr}")


@cache
def executable() -> Path:
    """Find the published command."""
    return installed("seamless-database", VERSION) / "bin" / "seamless-database"


class PublishedServer(Server):
    """A published server on a file; it only starts with --writable, and reports no port."""

    def __init__(self, file: Path) -> None:
        self.command = (str(executable()),)
        self._status = file.with_suffix(".status.json")
        self._status.write_text("{}")
        # below the ports of clients: it waits for ever for a port that is taken
        options = ("--status-file", str(self._status), "--port-range", "20000", "22999")
        super().__init__(file, *options)

    def wait_until_ready(self) -> None:
        deadline = time.monotonic() + TIMEOUT
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                reported = json.loads(self._status.read_text())
            except (FileNotFoundError, ValueError):
                # looked at in the very moment in which it is replaced
                reported = {}
            if reported.get("status") == "running":
                self.host, self.port = "127.0.0.1", reported["port"]
                return
            time.sleep(0.05)
        self.process.kill()
        raise AssertionError(f"the published server did not start: {self.end()}")
