"""A computation cache at work on real files.

    python -m tools.demo [FOLDER]

Takes the `.py` files of FOLDER (default: the standard library of the running Python) and
computes complexity metrics for each, as a transformation: a `plain` buffer that names the
checksum of the code and that of the input. Its checksum is looked up in a real
`seamless-database` first and computed, in a pool of processes, only if that has not been done
before. Results, execution records and facts about the buffers are kept in .dev/demo/, so that
the second call finds everything. Then the content of one file is changed, in a copy, and only
that one is computed. At last, it is changed once more, and two processes that ask for the result
at the same time compute it once.
"""

from __future__ import annotations

import argparse
import asyncio
import datetime
import json
import multiprocessing
import os
import sys
import sysconfig
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from seamless import Buffer, CacheMissError, Checksum
from seamless.checksum.buffer_facts import compute_buffer_info
from seamless_database.client import DatabaseClient
from seamless_database.errors import DatabaseError
from tools.demo import metrics
from tools.demo.server import database_server
from tools.demo.worker import Execution, execute, execute_once

DEFAULT_SCRATCH = Path(__file__).resolve().parents[2] / ".dev" / "demo"
LANGUAGE = f"python {sys.version_info.major}.{sys.version_info.minor}"


@dataclass
class Summary:
    """What one round over all files came to; times in seconds."""

    files: int = 0
    repeats: int = 0
    hits: int = 0
    misses: int = 0
    unreadable: int = 0
    seconds: float = 0.0
    computed: float = 0.0
    saved: float = 0.0
    example: str | None = None

    def rows(self) -> list[tuple[str, str]]:
        """The table, line by line."""
        return [
            ("files", f"{self.files}"),
            ("  of the same content as another", f"{self.repeats}"),
            ("  that could not be read", f"{self.unreadable}"),
            ("hits", f"{self.hits}"),
            ("misses (computed now)", f"{self.misses}"),
            ("time", f"{self.seconds:.2f} s"),
            ("computing time, all processes", f"{self.computed:.2f} s"),
            ("computing time saved by hits", f"{self.saved:.2f} s"),
        ]


class Cache:
    """Looks transformations up and stores what was computed."""

    def __init__(self, client: DatabaseClient) -> None:
        self.client = client
        self.code = store(Buffer(Path(metrics.__file__).read_bytes()))

    def transformation(self, source: Buffer) -> Buffer:
        """Describe the computation; its checksum is the name of the computation."""
        definition = {"code": self.code, "input": source.get_checksum(), "language": LANGUAGE}
        return Buffer(definition, "plain")

    def seconds_of_hit(self, transformation: str) -> float | None:
        """Return what a computed transformation cost; None if it has to be computed."""
        result = self.client.get_transformation(transformation)
        if result is None:
            return None
        try:
            Checksum(result).resolve("plain")
        except CacheMissError:
            return None  # the database remembers it, but its bytes are gone
        record = self.client.get_metadata(transformation)
        return 0.0 if record is None else float(record["wall_time_seconds"])

    def keep(self, done: Execution) -> None:
        """Store a result: its bytes are in the buffer directory already."""
        self.client.put_transformation(done.transformation, done.result)
        self.client.put_metadata(done.transformation, done.result, done.record())
        result = Checksum(done.result)
        facts = compute_buffer_info(result.resolve().content, "plain")
        self.client.put_buffer_info(done.result, facts.as_dict())


def store(buffer: Buffer) -> Checksum:
    """Write a buffer to the buffer directory and return its checksum."""
    asyncio.run(buffer.write())
    return buffer.get_checksum()


def look_up(cache: Cache, files: list[Path], summary: Summary) -> list[str]:
    """Look all files up; returns the transformations that are not computed yet."""
    missing: list[str] = []
    seen: set[str] = set()
    for path in tqdm(files, desc="looking up", unit="file", disable=None, leave=False):
        try:
            source = Buffer(path.read_bytes())
        except OSError as error:
            print(f"left out: {error}", file=sys.stderr)
            summary.unreadable += 1
            continue
        definition = cache.transformation(source)
        transformation = definition.get_checksum().hex()
        if transformation in seen:
            summary.repeats += 1
            continue
        seen.add(transformation)
        seconds = cache.seconds_of_hit(transformation)
        if seconds is None:
            store(source)
            store(definition)
            missing.append(transformation)
        else:
            summary.hits += 1
            summary.saved += seconds
            summary.example = summary.example or transformation
    return missing


def compute(cache: Cache, missing: list[str], summary: Summary) -> None:
    """Compute in a pool of processes, and store each result as it comes."""
    if not missing:
        return
    context = multiprocessing.get_context("spawn")
    workers = min(len(missing), len(os.sched_getaffinity(0)))
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        futures = [pool.submit(execute, transformation) for transformation in missing]
        progress = tqdm(
            as_completed(futures), "computing", len(futures), unit="file", disable=None, leave=False
        )
        for future in progress:
            done = future.result()
            cache.keep(done)
            summary.misses += 1
            summary.computed += done.wall_time_seconds
            summary.example = summary.example or done.transformation


def run(cache: Cache, files: list[Path]) -> Summary:
    """One round over all files."""
    summary, start = Summary(files=len(files)), time.perf_counter()
    compute(cache, look_up(cache, files, summary), summary)
    summary.seconds = time.perf_counter() - start
    return summary


def report(summary: Summary) -> None:
    """Print the table of a round."""
    for name, value in summary.rows():
        print(f"  {name:<34}{value:>12}")
    total = summary.hits + summary.misses
    if not summary.misses:
        print(f"  All {total} results came from the cache: nothing was computed.")


def share(cache: Cache, path: Path) -> int:
    """Let two processes ask for the same new result; returns how many of them computed it."""
    summary = Summary(files=1)
    missing = look_up(cache, [path], summary)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(2, mp_context=context) as pool:
        url = cache.client.url
        asked = [pool.submit(execute_once, key, url) for key in 2 * missing]
        executions = [done for future in asked if (done := future.result()) is not None]
    for done in executions:
        cache.keep(done)
    return len(executions)


def edited_copy(path: Path, folder: Path) -> Path:
    """Copy a file with one line more, another one at each call."""
    folder.mkdir(exist_ok=True)
    copy = folder / path.name
    now = datetime.datetime.now(datetime.timezone.utc).isoformat()
    copy.write_bytes(path.read_bytes() + f"\n# edited at {now}\n".encode())
    return copy


def show_record(client: DatabaseClient, transformation: str) -> None:
    """Read one execution record back and print it, with the value it is about."""
    record = client.get_metadata(transformation)
    if record is None:
        return
    print(f"\nThe execution record of {transformation}:")
    print("  " + json.dumps(record, indent=2).replace("\n", "\n  "))
    value = Checksum(record["result_checksum"]).resolve("plain")
    print(f"Its result, resolved: {json.dumps(value)[:150]} …")


def demonstrate(files: list[Path], client: DatabaseClient, scratch: Path) -> int:
    """Run three rounds, each but the first with a file changed; returns the exit status."""
    cache = Cache(client)
    print("First round")
    first = run(cache, files)
    report(first)
    if first.example is not None:
        show_record(client, first.example)
    changed = min(files, key=lambda path: (abs(path.stat().st_size - 20_000), path))
    copy = edited_copy(changed, scratch / "edited")
    print(f"\nSecond round, with one file edited in a copy: {changed.name}")
    second = run(cache, [copy if path == changed else path for path in files])
    report(second)
    if second.misses != 1:
        print(f"Error: 1 file was edited, and {second.misses} were computed", file=sys.stderr)
        return 1
    print("  Only the edited file was computed.")
    print(f"\nThird round: two processes ask for another edit of {changed.name}")
    computed = share(cache, edited_copy(changed, scratch / "edited"))
    if computed != 1:
        print(f"Error: {computed} processes computed the same result", file=sys.stderr)
        return 1
    print("  One of them computed it, the other one got its result.")
    return 0


def python_files(folder: Path) -> list[Path]:
    """All `.py` files below a folder, without installed packages."""
    found = folder.rglob("*.py")
    return sorted(p for p in found if "site-packages" not in p.parts and p.is_file())


def main() -> int:
    """Run the demonstration; returns the exit status."""
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n", maxsplit=1)[0])
    standard_library = sysconfig.get_path("stdlib")
    parser.add_argument("folder", nargs="?", type=Path, default=Path(standard_library))
    parser.add_argument(
        "--scratch", type=Path, default=DEFAULT_SCRATCH, help="where the cache is kept"
    )
    arguments = parser.parse_args()
    folder, scratch = arguments.folder, arguments.scratch.resolve()
    files = python_files(folder)
    if not files:
        print(f"Error: no .py files in {folder}", file=sys.stderr)
        return 1
    try:
        buffers = scratch / "buffers"
        buffers.mkdir(parents=True, exist_ok=True)
        os.environ["SEAMLESS_BUFFER_DIR"] = str(buffers)
        print(f"{len(files)} Python files of {folder}; cache in {scratch}")
        with database_server(scratch) as url, DatabaseClient(url) as client:
            return demonstrate(files, client, scratch)
    except (OSError, RuntimeError, DatabaseError) as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped; what was computed is kept", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
