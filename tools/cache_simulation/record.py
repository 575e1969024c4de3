"""Record a trace for the simulation from real runs of the demonstration.

    python -m tools.cache_simulation.record OUT.csv FOLDER [--rounds N] [--edited N]

Runs the demonstration on the `.py` files of FOLDER, in several rounds with a fresh cache on
disk; before each round but the first, some files are edited. Every buffer that is wanted is a
request: the code, the sources, the definitions of the transformations, the results. A result
costs the seconds that its transformation took, anything else a read from the buffer directory.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from seamless import Buffer, Checksum
from seamless.caching.cost_model import DEFAULT_READ_BUFFER_PROFILE
from seamless_database.client import DatabaseClient
from tools.cache_simulation.traces import Request, save
from tools.demo import __main__ as demo
from tools.demo.server import database_server

if TYPE_CHECKING:
    from tools.demo.worker import Execution


class RecordingCache(demo.Cache):
    """The cache of the demonstration, noting which buffers it is asked for."""

    def __init__(self, client: DatabaseClient) -> None:
        super().__init__(client)
        self.requests: list[Request] = []
        self._keys: dict[str, int] = {}
        self._inputs: dict[str, tuple[Buffer, Buffer]] = {}
        self._start = time.perf_counter()

    def _note(self, checksum: str, size: int, seconds: float | None = None) -> None:
        key = self._keys.setdefault(checksum, len(self._keys))
        cost = DEFAULT_READ_BUFFER_PROFILE.seconds(size) if seconds is None else seconds
        at = time.perf_counter() - self._start
        self.requests.append(Request(at, key, size, max(cost, 1e-6)))

    def transformation(self, source: Buffer) -> Buffer:
        """Note the source and the definition, which are made now."""
        definition = super().transformation(source)
        self._inputs[definition.get_checksum().hex()] = (source, definition)
        for buffer in (source, definition):
            self._note(buffer.get_checksum().hex(), len(buffer))
        return definition

    def seconds_of_hit(self, transformation: str) -> float | None:
        """Note the result that was found."""
        seconds = super().seconds_of_hit(transformation)
        result = self.client.get_transformation(transformation)
        if seconds is not None and result is not None:
            self._note(result, len(Checksum(result).resolve()), seconds)
        return seconds

    def keep(self, done: Execution) -> None:
        """Note what the process of the pool read, and the result that it made."""
        super().keep(done)
        self._note(self.code.hex(), len(self.code.resolve()))
        for buffer in self._inputs[done.transformation]:
            self._note(buffer.get_checksum().hex(), len(buffer))
        self._note(done.result, done.result_length, done.wall_time_seconds)


def record(folder: Path, scratch: Path, rounds: int, edited: int) -> list[Request]:
    """Run the demonstration and return what it asked for."""
    files, rng = demo.python_files(folder), random.Random(1)
    with database_server(scratch) as url, DatabaseClient(url) as client:
        cache = RecordingCache(client)
        for number in range(rounds):
            if number:
                for index in rng.sample(range(len(files)), edited):
                    files[index] = demo.edited_copy(files[index], scratch / f"edited-{number}")
            demo.run(cache, files)
    return cache.requests


def main() -> int:
    """Record a trace; returns the exit status."""
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n", maxsplit=1)[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--edited", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        buffers = scratch / "buffers"
        buffers.mkdir()
        os.environ["SEAMLESS_BUFFER_DIR"] = str(buffers)
        requests = record(options.folder, scratch, options.rounds, options.edited)
    save(requests, options.out)
    print(f"{len(requests)} requests in {options.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
