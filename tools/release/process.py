"""Running a command of a release: quiet if it goes well, one line and its output if not."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

#: nothing here may take longer than this, in seconds
LIMIT = 900
#: what would let the caller's Python leak into the environments that are tried
_LEAKS = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "SOURCE_DATE_EPOCH", "PYTHONWARNINGS")


class ReleaseError(RuntimeError):
    """The release can't be made; the text says why, its first line is enough to act on."""


def run(*words: str | Path, cwd: Path, variables: Mapping[str, str] | None = None) -> str:
    """Run a command; returns what it wrote."""
    env = {name: value for name, value in os.environ.items() if name not in _LEAKS}
    env |= {"PIP_DISABLE_PIP_VERSION_CHECK": "1", **(variables or {})}
    try:
        done = subprocess.run(
            [*map(str, words)],
            cwd=cwd,
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=LIMIT,
        )
    except subprocess.TimeoutExpired:
        raise ReleaseError(f"{_short(words)} took longer than {LIMIT} s") from None
    if done.returncode:
        raise ReleaseError(f"{_short(words)} failed:\n{done.stdout}")
    return done.stdout


def _short(words: tuple[str | Path, ...]) -> str:
    return " ".join(str(word).rpartition("/")[2] or str(word) for word in words[:4])
