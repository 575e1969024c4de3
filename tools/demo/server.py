"""A real `seamless-database` for the demonstration: started, waited for, stopped."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TIMEOUT = 30.0  # seconds for starting, and for stopping


@contextlib.contextmanager
def database_server(folder: Path) -> Iterator[str]:
    """Serve `folder/seamless.db` on loopback; gives the URL.

    Raises
    ------
    RuntimeError
        When the server does not start, with what it said.
    """
    status, log = folder / "database-status.json", folder / "database.log"
    status.write_text("{}")
    command = [sys.executable, "-m", "seamless_database", str(folder / "seamless.db")]
    command += ["--writable", "--host", "127.0.0.1", "--status-file", str(status)]
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
        try:
            port = wait_for_port(process, status)
            if port is None:
                raise RuntimeError(f"the database did not start: {log.read_text().strip()}")
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(TIMEOUT)


def wait_for_port(process: subprocess.Popen[bytes], status: Path) -> int | None:
    """Poll the status file until the server reports; None when it fails."""
    deadline = time.monotonic() + TIMEOUT
    while process.poll() is None and time.monotonic() < deadline:
        report = json.loads(status.read_text())
        if report.get("status") == "running":
            return int(report["port"])
        if report.get("status") == "failed":
            process.wait(TIMEOUT)
            break
        time.sleep(0.02)
    return None
