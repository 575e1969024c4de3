"""The status file, in which the server reports its port, or its failure, to a launcher.

The launcher writes a JSON object shortly after it has started the server. The server replaces it
with the same object and `"status": "running"` and the port, or `"status": "failed"`.
"""

from __future__ import annotations

import json
import os
import stat
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seamless_database.errors import StatusFileError

if TYPE_CHECKING:
    from collections.abc import Callable

#: seconds in which the launcher has to write the file
WAIT = 20.0
#: seconds between two attempts to read it
INTERVAL = 0.1


def read(
    path: Path,
    wait: float = WAIT,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], object] = time.sleep,
) -> dict[str, Any]:
    """Wait until the file holds a JSON object; it may still be being written."""
    deadline = clock() + wait
    while True:
        try:
            base = json.loads(path.read_bytes())
        except FileNotFoundError:
            reason = "it does not exist"
        except OSError as error:
            raise StatusFileError(path, str(error.strerror)) from error
        except (ValueError, RecursionError):
            reason = "it is not valid JSON"
        else:
            if isinstance(base, dict):
                return base
            raise StatusFileError(path, "it holds no JSON object")
        if clock() >= deadline:
            raise StatusFileError(path, f"{reason}, after {wait:g} seconds")
        sleep(INTERVAL)


def write_running(path: Path, base: dict[str, Any], port: int) -> None:
    """Report that the server listens on a port."""
    _replace(path, {**base, "port": port, "status": "running"})


def write_failed(path: Path, base: dict[str, Any]) -> None:
    """Report that the server will not start."""
    _replace(path, {**base, "status": "failed"})


def _replace(path: Path, content: dict[str, Any]) -> None:
    """Replace the file in one step, keeping its mode and, if it is a link, the link."""
    target = path.resolve()
    try:
        mode = stat.S_IMODE(target.stat().st_mode) if target.exists() else 0o644
        descriptor, temporary = tempfile.mkstemp(dir=target.parent, prefix=target.name)
        try:
            with os.fdopen(descriptor, "w") as file:
                file.write(json.dumps(content) + "\n")
                os.fchmod(file.fileno(), mode)
            Path(temporary).replace(target)
        except BaseException:
            Path(temporary).unlink()
            raise
    except OSError as error:
        raise StatusFileError(path, str(error.strerror)) from error
