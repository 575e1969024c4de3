"""Interrupts the main thread at random moments while several threads use the buffer cache.

    python interrupted_cache.py [--rounds N] [--seed S]

Exits with an error if a lock stays acquired or the tables of the cache are inconsistent. More
rounds find rarer faults; the test runs a few.
"""

from __future__ import annotations

import argparse
import faulthandler
import os
import random
import signal
import sys
import tempfile
import threading
from pathlib import Path
from queue import SimpleQueue

from cache_activity import Activity, assert_tables_add_up, small_cache

import seamless
from seamless import Buffer, Checksum
from seamless.caching import buffer_writer
from seamless.caching.buffer_cache import BufferCache, get_buffer_cache

HANG_SECONDS = 60


class Interrupts:
    """A timer that raises KeyboardInterrupt in the main thread, once for each `arm`."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.armed = False
        signal.signal(signal.SIGALRM, self.interrupt)

    def arm(self) -> None:
        self.armed = True
        signal.setitimer(signal.ITIMER_REAL, self.random.uniform(2e-5, 4e-3))

    def interrupt(self, *_: object) -> None:
        if self.armed:
            self.armed = False
            raise KeyboardInterrupt


def write_out(seed: random.Random, written: set[bytes]) -> None:
    """Queue a buffer for the buffer directory, after recording it."""
    made = Buffer(b"written %d" % seed.randrange(10**9))
    checksum = made.get_checksum()
    checksum.tempref()
    written.add(checksum.bytes())


def interrupted(cache: BufferCache[Buffer], rounds: int, seed: int) -> int:
    """Use everything during interrupts; return their number."""
    activity, written, count = Activity(cache, seed), set[bytes](), 0
    # Python's import lock does not survive an interrupt, so all modules are imported before
    activity.act()
    write_out(activity.random, written)
    buffer_writer.flush()
    interrupts = Interrupts(seed)
    for number in range(rounds):
        try:
            interrupts.arm()
            while interrupts.armed:
                activity.act()
                Buffer(f"x = {number}", "python").get_value("python")
                if activity.random.randrange(4) == 0:
                    write_out(activity.random, written)
        except KeyboardInterrupt:
            count += 1
    interrupts.armed = False
    buffer_writer.flush()
    for digest in written:
        assert Checksum(digest).resolve().get_checksum() == Checksum(digest)
        name = digest.hex()
        path = Path(os.environ["SEAMLESS_BUFFER_DIR"], name[:2], name)
        assert path.exists(), f"{path} was not written"
    assert len(written) > rounds / 20
    return count


def main(rounds: int, seed: int) -> None:
    faulthandler.dump_traceback_later(HANG_SECONDS + rounds / 5, exit=True)
    sys.setswitchinterval(1e-5)
    sys.unraisablehook = lambda _: None  # an interrupt in a finalizer ends only the finalizer
    cache, stop = small_cache(), SimpleQueue[None]()
    failures: list[BaseException] = []

    def use(number: int) -> None:
        activity = Activity(cache, (seed, number))
        try:
            while stop.empty():
                activity.act()
        except BaseException as error:
            failures.append(error)
            raise

    threads = [threading.Thread(target=use, args=(number,), daemon=True) for number in range(3)]
    for thread in threads:
        thread.start()
    count = interrupted(cache, rounds, seed)
    stop.put(None)
    for thread in threads:
        thread.join(HANG_SECONDS)
        if thread.is_alive():
            faulthandler.dump_traceback()
        assert not thread.is_alive(), "a thread stands still"
    assert failures == []
    assert_tables_add_up(cache)
    assert_tables_add_up(get_buffer_cache())
    seamless.close()
    sys.stdout.write(f"{count} of {rounds} interrupts occurred, no error\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=400)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        os.environ["SEAMLESS_BUFFER_DIR"] = directory
        main(options.rounds, options.seed)
