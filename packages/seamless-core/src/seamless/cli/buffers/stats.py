"""`seamless-buffers stats`: how many buffers there are, how large and how old."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from seamless.cli.buffers.folder import Kind, require_buffers, scan, status_of
from seamless.cli.command import write_line
from seamless.cli.progress import Progress
from seamless.cli.several import Failures

if TYPE_CHECKING:
    import argparse
    import os

    from seamless.cli.buffers.folder import FoundFile

DESCRIPTION = """\
Count the buffers of a directory and their bytes, by age and by size.

Sizes are those of the files, which may be compressed. The age of a buffer is the time
since it was last written; writing it again renews it."""

_DAY = 86_400
#: upper bound in seconds, name
_AGES = (
    (_DAY, "under a day"),
    (7 * _DAY, "under a week"),
    (30 * _DAY, "under 30 days"),
    (365 * _DAY, "under a year"),
    (float("inf"), "older"),
)
#: upper bound in bytes, name
_SIZES = (
    (1 << 10, "under 1 KiB"),
    (1 << 16, "under 64 KiB"),
    (1 << 20, "under 1 MiB"),
    (1 << 26, "under 64 MiB"),
    (1 << 30, "under 1 GiB"),
    (float("inf"), "larger"),
)


@dataclass
class Summary:
    """Counts and bytes of the files of a directory."""

    now: float
    kinds: Counter[Kind] = field(default_factory=Counter)
    size: int = 0
    compressed: Counter[str] = field(default_factory=Counter)
    #: name of a class of age or size -> count, bytes
    ages: dict[str, list[int]] = field(default_factory=lambda: {name: [0, 0] for _, name in _AGES})
    sizes: dict[str, list[int]] = field(
        default_factory=lambda: {name: [0, 0] for _, name in _SIZES}
    )
    oldest: tuple[float, str] = (float("inf"), "")
    largest: tuple[int, str] = (-1, "")

    def add(self, found: FoundFile, status: os.stat_result) -> None:
        """Count a file."""
        self.kinds[found.kind] += 1
        if found.kind is not Kind.BUFFER:
            return
        size, changed = status.st_size, status.st_mtime
        self.size += size
        if len(found.entry.name) > len(found.digest):
            self.compressed["buffers"] += 1
            self.compressed["bytes"] += size
        age = self.now - changed
        for table, value, classes in ((self.ages, age, _AGES), (self.sizes, size, _SIZES)):
            cell = table[next(name for bound, name in classes if value < bound)]
            cell[0] += 1
            cell[1] += size
        self.oldest = min(self.oldest, (changed, found.digest))
        self.largest = max(self.largest, (size, found.digest))

    def lines(self) -> list[str]:
        """Return the text of the summary."""
        count, compressed = self.kinds[Kind.BUFFER], self.compressed
        rows = [
            ("buffers", f"{count}"),
            ("bytes", f"{self.size}"),
            ("compressed", f"{compressed['buffers']} buffers of {compressed['bytes']} bytes"),
        ]
        if count:
            rows += [
                ("oldest", f"{_as_text(self.oldest[0])}  {self.oldest[1]}"),
                ("largest", f"{self.largest[0]} bytes  {self.largest[1]}"),
            ]
        rows += [
            ("set aside", f"{self.kinds[Kind.DAMAGED]}"),
            ("being written", f"{self.kinds[Kind.TEMPORARY] + self.kinds[Kind.LOCK]}"),
            ("other files", f"{self.kinds[Kind.FOREIGN]}"),
        ]
        return [
            *(f"{name:<14}{text}" for name, text in rows),
            *_table("age", self.ages),
            *_table("size", self.sizes),
        ]


def _table(title: str, cells: dict[str, list[int]]) -> list[str]:
    lines = ["", f"{title:<14}{'buffers':>12}{'bytes':>18}"]
    return lines + [f"{name:<14}{count:>12}{size:>18}" for name, (count, size) in cells.items()]


def _as_text(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%d %H:%M:%S UTC")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("directory", help="the buffer directory")


def run(options: argparse.Namespace) -> int:
    """Print the summary of a buffer directory."""
    folder: str = options.directory
    require_buffers(folder)
    failures = Failures()
    summary = Summary(time.time())
    with Progress(None, " files") as advance:
        for found in scan(folder, failures.add):
            status = status_of(found.entry)
            if status is not None:
                summary.add(found, status)
            if advance is not None:
                advance(1)
    write_line("\n".join(summary.lines()))
    failures.write()
    return int(len(failures) > 0)
