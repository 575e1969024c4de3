"""The published hashserver, in an environment of its own below `.dev/`, as a process."""

from __future__ import annotations

import json
import socket
import subprocess
import time
import urllib.request
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from database_server import TIMEOUT
from published_server import installed

if TYPE_CHECKING:
    from types import TracebackType


@cache
def executable() -> Path:
    """Find the published command, installing it at the first call; skips without an index."""
    return installed("hashserver", "1.1.0", "aiofiles") / "bin" / "hashserver"


class HashserverProcess:
    """A hashserver on a folder, on a port of its own; a context manager that ends it."""

    def __init__(self, folder: Path, *options: str, writable: bool = True, port: int = 0) -> None:
        folder.mkdir(exist_ok=True)
        self.folder = folder
        self._status = folder.with_name(folder.name + ".status.json")
        self._status.write_text("{}")
        self._options = options if not writable else ("--writable", *options)
        self.port = port
        self.start()

    def start(self) -> None:
        """Start it, on the port that it had before if it had one."""
        ports = ("--port", str(self.port)) if self.port else ("--port-range", "26000", "28999")
        words = [str(executable()), str(self.folder), "--host", "127.0.0.1", *ports]
        self._status.write_text("{}")
        self.process = subprocess.Popen(
            [*words, "--status-file", str(self._status), *self._options],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + TIMEOUT
        while time.monotonic() < deadline and self.process.poll() is None:
            reported = json.loads(self._status.read_text())
            if reported.get("status") == "running":
                self.port = reported["port"]
                # it reports that it is running before it listens
                with suppress(ConnectionRefusedError):
                    socket.create_connection(("127.0.0.1", self.port), TIMEOUT).close()
                    return
            time.sleep(0.05)
        self.kill()
        raise AssertionError("the hashserver did not start")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def get(self, name: str) -> bytes:
        """Ask for a buffer as any other program would."""
        with urllib.request.urlopen(f"{self.url}/{name}", timeout=TIMEOUT) as answer:
            content: bytes = answer.read()
            return content

    def kill(self) -> None:
        """End it at once, as a power cut would."""
        self.process.kill()
        self.process.wait()

    def __enter__(self) -> HashserverProcess:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.kill()
