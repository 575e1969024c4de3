"""Runs Python code in a separate process."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def run_python(
    code: str, *arguments: str, directory: Path | None = None, check: bool = True
) -> subprocess.CompletedProcess[str]:
    """Run `code`, with warnings as errors, and `directory` as the only buffer store."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("SEAMLESS_")}
    if directory is not None:
        environment["SEAMLESS_BUFFER_DIR"] = str(directory)
    outcome = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(code), *arguments],
        capture_output=True,
        text=True,
        env=environment,
        timeout=120,
        check=False,
    )
    if check:
        assert outcome.returncode == 0, outcome.stderr
    return outcome
