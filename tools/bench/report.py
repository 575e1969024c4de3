"""The report: one page, one section for each suite, each with the command that writes it."""

from __future__ import annotations

import dataclasses
import re
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tools.bench.table import Results

COMMAND = "python3 tools/dev.py bench"


@dataclass(frozen=True)
class Suite:
    """What the report says of a suite beside its figures."""

    #: the distribution that is measured, and the libraries whose versions matter
    package: str
    libraries: tuple[str, ...]
    #: what the figures are, and what the limit is
    about: str


SUITES = {
    "core": Suite(
        "seamless-core",
        ("seamless-core", "numpy", "orjson"),
        "Values to bytes and back, checksums, the buffer cache. Peak memory is what one call "
        "adds, the result included, in multiples of its N bytes.\n\n"
        "Three wanted figures have a ceiling in Python and these libraries. Reading YAML: the "
        "scanner and parser of ruamel.yaml alone, without any value, take as long as the "
        "published package takes with PyYAML, which reads YAML 1.1. The parser in C that "
        "ruamel.yaml can use takes a third of our time in all, but reads or refuses a tenth "
        "of random documents differently, so values would depend on what is installed. "
        "Writing small plain values: orjson and the smallest class around its bytes take 2.5 "
        "times the limit. Checksums from and to text: the two conversions alone take nearly "
        "half of the published time.",
    ),
    "database": Suite(
        "seamless-database",
        ("seamless-database", "starlette", "uvicorn", "httptools", "uvloop", "sqlalchemy"),
        "The servers alternately, each by the same generator of load, on the disk of the checkout. "
        "The bare application is uvicorn with uvloop and httptools; it reads the body and answers "
        "64 bytes. Each table can be had alone, by `--only` and its name: requests, rows, stress, "
        "memory, bulk, bulk-writes, client, workers, redis, postgresql.",
    ),
    "cli": Suite(
        "seamless-core",
        ("seamless-core", "orjson"),
        "Whole processes, from start to end. Large files are sparse; every file has been read "
        "before, so no disk is measured. Starting is measured five times in each round.",
    ),
    "stores": Suite(
        "seamless-core",
        ("seamless-core", "httpcore"),
        "Buffers to a directory on the disk of the checkout, where a write is over when it is "
        "synced, and from the published hashserver on this machine. The published package has no "
        "stores of its own. Other programs that write to the same disk change these figures more "
        "than all others. The hashserver is one process, with about 2 ms of processor time for a "
        "request: on one machine, concurrent requests save little beyond the time of the client; "
        "behind a network with 5 ms of latency, 1,000 of them take a fifth to a quarter of the "
        "time.",
    ),
    "evict": Suite(
        "seamless-core",
        ("seamless-core",),
        "Registering 1,000 buffers with a temporary reference, in a cache that holds so many "
        "already: with room for them, and with none, so that others are driven out. Ours does "
        "that with every one; the published cache once after the 1,000, on request. "
        "The memory is that which a process has more "
        "after as many buffers of 512 bytes have come and gone, through a cache of 1 MB.",
    ),
}

INTRODUCTION = f"""\
# Benchmarks

Ours beside the published packages and the physical limit: measured alternately in one run, by
`{COMMAND}`, which writes this page; a quick look is `{COMMAND} SUITE --quick`.
`{COMMAND} --against COMMIT` lists what is slower or faster than that commit beyond noise.
Figures are medians. What is wanted of a figure stands in brackets behind it; a star is before
what misses that. What each limit is, is said below its table, with the code that is timed.
"""


@dataclass(frozen=True)
class Machine:
    """Where and with what was measured."""

    name: str
    cores: int
    python: str
    versions: dict[str, str]
    published: str | None

    def __str__(self) -> str:
        versions = ", ".join(f"{name} {number}" for name, number in self.versions.items())
        beside = "" if self.published is None else f"; beside {self.published}"
        return f"{self.name}, {self.cores} cores, Python {self.python}; {versions}{beside}"

    def as_json(self) -> dict[str, object]:
        """Return the fields, for the file of all figures."""
        return dataclasses.asdict(self)


def command_of(suite: str, said: Sequence[str]) -> str:
    """Return the command that measures a suite, with its options."""
    return shlex.join([*COMMAND.split(), suite, *said])


def section(
    suite: str, results: Sequence[Results], machine: Machine, rounds: int, said: Sequence[str]
) -> str:
    """Return the part of the report that belongs to one suite."""
    about = [f"## {suite}", SUITES[suite].about]
    about.append(f"`{command_of(suite, said)}`, medians of {rounds} rounds; {machine}.")
    return "\n\n".join(about) + "\n\n" + "\n".join(part.markdown() for part in results)


def empty_section(suite: str) -> str:
    """Return the section of a suite that has not been run yet."""
    return (
        f"## {suite}\n\n{SUITES[suite].about}\n\nNot measured yet: `{COMMAND} {suite}` does it.\n"
    )


def write_section(report: Path, suite: str, text: str) -> None:
    """Replace the section of one suite in the report, and keep the others as they are."""
    found = report.read_text(encoding="utf-8") if report.is_file() else ""
    parts = {name: section_of(found, name) or empty_section(name) for name in SUITES}
    parts[suite] = text
    report.write_text("\n".join([INTRODUCTION, *parts.values()]), encoding="utf-8")


def section_of(page: str, suite: str) -> str | None:
    """Return one section of a report; None if it has none of that name."""
    pattern = re.compile(rf"^## {suite}\n.*?(?=\n## |\Z)", re.DOTALL | re.MULTILINE)
    match = pattern.search(page)
    return None if match is None else match[0].rstrip("\n") + "\n"
