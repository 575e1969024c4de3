"""What is timed of the commands: the files, and the commands of each side."""

from __future__ import annotations

import os
import shlex
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Command = list[str]

SMALL_PYTHON = "import hashlib, argparse"
FILES_A_FOLDER = 200
SETTLED = 61.0  # seconds
#: names that one `sha256sum` gets at most
MOST_NAMES = 1_000


@dataclass(frozen=True)
class CommandLines:
    """One workload: what it runs on, and how each side is called."""

    #: makes what it runs on, below a folder for the suite, unless it is there
    make: Callable[[Path], Path]
    #: (commands of an environment, what was made) -> command line of ours and the published one
    ours: Callable[[Path, Path], Command]
    #: the same of the limit; the environment is ours
    limit: Callable[[Path, Path], Command]
    #: how many times in each round, for what is over in milliseconds
    times: int = 1
    #: rounds at most, for what takes seconds
    rounds: int = 100
    at_least: float = 1.0
    at_most: float | None = None
    #: whether the peak of memory is a line of its own
    memory: bool = False
    #: whether the published command can do it
    comparable: bool = True
    #: whether no implementation can speed it up: it is one SHA-256
    bound: bool = False

    def limit_text(self) -> str:
        """Return the command that is the limit."""
        return f"`{shlex.join(self.limit(Path(), Path('PATH')))}`"


def small_file(folder: Path) -> Path:
    path = folder / "small.txt"
    path.write_bytes(b"a small file\n")
    return path


def big_file(size: int) -> Callable[[Path], Path]:
    """Make one sparse file."""

    def make(folder: Path) -> Path:
        path = folder / f"big{size}"
        with path.open("wb") as stream:
            stream.truncate(size)
        return path

    return make


def small_files(count: int) -> Callable[[Path], Path]:
    """Make a tree of files of 8 to 800 bytes."""

    def make(folder: Path) -> Path:
        tree = folder / f"small{count}"
        for number in range(0 if tree.is_dir() else count):
            below = tree / f"d{number // FILES_A_FOLDER:03}"
            if number % FILES_A_FOLDER == 0:
                below.mkdir(parents=True)
            (below / f"f{number:05}.txt").write_bytes(b"%08d" % number * (number % 100 + 1))
        return tree

    return make


def big_files(count: int, size: int) -> Callable[[Path], Path]:
    """Make a folder of sparse files."""

    def make(folder: Path) -> Path:
        tree = folder / f"big{count}of{size}"
        for number in range(0 if tree.is_dir() else count):
            tree.mkdir(exist_ok=True)
            with (tree / f"f{number:02}").open("wb") as stream:
                stream.truncate(size)
        return tree

    return make


def settled(make: Callable[[Path], Path]) -> Callable[[Path], Path]:
    """Make files, and wait until they have been there for a minute: younger ones are not cached."""

    def make_and_wait(folder: Path) -> Path:
        path = make(folder)
        time.sleep(max(0.0, path.stat().st_mtime + SETTLED - time.time()))
        return path

    return make_and_wait


def python(code: str) -> Callable[[Path, Path], Command]:
    return lambda binaries, _: [str(binaries / "python"), "-c", code]


def command(name: str) -> Callable[[Path, Path], Command]:
    return lambda binaries, path: [str(binaries / name), str(path)]


def with_cache(binaries: Path, path: Path) -> Command:
    cache = path.with_suffix(".cache")
    return [str(binaries / "seamless-checksum-index"), str(path), "--cache", str(cache)]


def times_below(_binaries: Path, path: Path) -> Command:
    return ["find", str(path), "-type", "f", "-printf", "%P %i %s %T@ %C@\\n"]


def openssl(_binaries: Path, path: Path) -> Command:
    return ["openssl", "dgst", "-sha256", str(path)]


def on_all_cores(count: int, program: str) -> Callable[[Path, Path], Command]:
    """Call a program with shares of all files below a folder, one at a time on each core."""
    cores = len(os.sched_getaffinity(0))
    share = max(1, min(MOST_NAMES, count // (4 * cores)))

    def line(_binaries: Path, path: Path) -> Command:
        find = f"find {shlex.quote(str(path))} -type f -print0"
        return ["sh", "-c", f"{find} | xargs -0 -P{cores} -n{share} {program} > {os.devnull}"]

    return line


def workloads(*, quick: bool) -> Iterator[tuple[str, CommandLines]]:
    """Yield name and command lines of each workload."""
    checksum, index = command("seamless-checksum"), command("seamless-checksum-index")
    yield (
        "import seamless",
        CommandLines(
            small_file, python("import seamless"), python("pass"), times=5, at_least=1 / 0.6
        ),
    )
    yield (
        "checksum of a small file",
        CommandLines(small_file, checksum, python(SMALL_PYTHON), times=5, at_most=1.6),
    )
    for size in (256, 512) if quick else (2_000, 4_000):
        label = f"{size} MB" if quick else f"{size // 1000} GB"
        make = big_file(size * 10**6)
        yield (
            f"checksum of a {label} file",
            CommandLines(make, checksum, openssl, rounds=3, at_most=1.1, memory=True, bound=True),
        )
    for count in (2_000, 5_000) if quick else (20_000, 50_000):
        limit = on_all_cores(count, "sha256sum")
        yield (
            f"index of {count:,} small files",
            CommandLines(small_files(count), index, limit, at_least=2.5),
        )
    count, size = (8, 16) if quick else (64, 64)
    limit = on_all_cores(count, "openssl dgst -sha256")
    yield (
        f"index of {count} files of {size} MB",
        CommandLines(
            big_files(count, size * 10**6), index, limit, rounds=3, at_least=1.8, bound=True
        ),
    )
    if not quick:
        made = settled(big_files(count, size * 10**6))
        yield (
            "the same again, with --cache",
            CommandLines(made, with_cache, times_below, times=5, comparable=False),
        )
