"""Runs the installed commands, and reads the folders in which they work."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


def command(name: str) -> str:
    """Return the path of an installed command."""
    return str(Path(sysconfig.get_path("scripts")) / name)


def run_command(name: str, *args: str, **options: Any) -> subprocess.CompletedProcess[bytes]:
    """Run a command to its end; capture both of its outputs by default, which are buffered."""
    env = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    defaults = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "timeout": 120, "env": env}
    run: Callable[..., subprocess.CompletedProcess[bytes]] = subprocess.run
    return run([command(name), *args], **defaults | options)


def sha256(content: bytes) -> str:
    """Return the hex digest, calculated with the standard library."""
    return hashlib.sha256(content).hexdigest()


def files_below(folder: Path) -> dict[str, bytes]:
    """Return relative name → content of every readable file; links to files are followed."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def frame_with_window(log: int, content: bytes) -> bytes:
    """Return a zstd frame of one raw block that requires a window of 2**log bytes."""
    header = b"\x28\xb5\x2f\xfd\x00" + bytes([(log - 10) << 3])
    return header + (1 | len(content) << 3).to_bytes(3, "little") + content


def assert_one_error_line(result: subprocess.CompletedProcess[bytes]) -> str:
    """Check for exit status 1 and exactly one `Error:` line; return its text."""
    text = result.stderr.decode()
    assert result.returncode == 1, text
    assert text.startswith("Error: ")
    assert text.count("\n") == 1
    assert text.endswith("\n")
    return text
