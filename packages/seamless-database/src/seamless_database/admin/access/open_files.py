"""Which processes have a file open: what SQLite's locks do not tell of one that is idle.

Linux tells it for the processes of the same user, root sees all. Elsewhere nothing is found, and
SQLite's locks have to do.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

PROCESSES = Path("/proc")
#: what SQLite keeps beside a file while it is open
COMPANIONS = ("-wal", "-shm", "-journal")

_Identity = tuple[int, int]


def processes_using(
    file: Path, processes: Path = PROCESSES, *, besides: int | None = None
) -> list[str]:
    """Name the processes, besides one, that have the file or a companion of it open."""
    wanted = {
        identity
        for suffix in ("", *COMPANIONS)
        if (identity := _identity(f"{file}{suffix}")) is not None
    }
    if not wanted or not processes.is_dir():
        return []
    numbers = sorted(int(entry.name) for entry in processes.iterdir() if entry.name.isdigit())
    return [
        _named(processes / str(number))
        for number in numbers
        if number != besides
        and any(_identity(path) in wanted for path in _open_files(processes / str(number)))
    ]


def _open_files(process: Path) -> Iterator[str]:
    try:
        with os.scandir(process / "fd") as entries:
            yield from (entry.path for entry in entries)
    except OSError:
        # it has ended, or belongs to somebody else
        return


def _identity(path: str) -> _Identity | None:
    try:
        found = os.stat(path)  # noqa: PTH116  # some ten thousand of these: plain is quicker
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _named(process: Path) -> str:
    try:
        name = (process / "comm").read_text(errors="replace").strip()
    except OSError:
        name = "?"
    return f"process {process.name} ({name})"
