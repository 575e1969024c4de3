"""Forks children at random moments while several threads use the buffer cache and the codecs.

    python forking_parent.py [--rounds N] [--seed S]

Every child uses cache and codecs too: a child that hangs, or whose tables are inconsistent, is an
error. More rounds find rarer faults; the test runs a few.
"""

from __future__ import annotations

import argparse
import faulthandler
import os
import random
import sys
import tempfile
import threading
import time
from functools import partial
from pathlib import Path
from queue import SimpleQueue

from cache_activity import Activity, assert_tables_add_up
from forked_children import run_in_child

import seamless
from seamless import Buffer
from seamless.caching import buffer_writer
from seamless.caching.buffer_cache import get_buffer_cache
from seamless.util.lru import LRU

HANG_SECONDS = 60
#: the cache of the parent; its threads and its children use it
SHARED_LRU: LRU[bytes, int] = LRU(50)


def use_everything(activity: Activity, tag: str) -> None:
    """Use cache, LRU, codecs and uploads, and check the results."""
    activity.act()
    number = activity.random.randrange(10**6)
    source = f"x_{tag} = {number}"
    assert Buffer(source, "python").get_value("python").strip() == source
    value = {"row": [number, tag], "of": {"a": 1.5}}
    for celltype in ("plain", "mixed"):
        assert Buffer(value, celltype).get_value(celltype) == value
    SHARED_LRU[b"%d" % (number % 100)] = number
    SHARED_LRU.get(b"%d" % (number % 100))
    if number % 20 == 0:
        Buffer(f"written {tag} {number}".encode()).tempref()


def check_in_child(seed: tuple[int, int]) -> str:
    cache = get_buffer_cache()
    assert_tables_add_up(cache)
    activity = Activity(cache, ("child", *seed))
    for _ in range(10):
        use_everything(activity, "child")
    written = Buffer(b"written by child %d" % seed[1])
    written.tempref()
    buffer_writer.flush()
    name = written.get_checksum().hex()
    assert Path(os.environ["SEAMLESS_BUFFER_DIR"], name[:2], name).exists()
    thread = threading.Thread(target=use_everything, args=(activity, "thread"), daemon=True)
    thread.start()
    thread.join(HANG_SECONDS)
    assert not thread.is_alive(), "a thread of the child hangs"
    buffer_writer.flush()
    assert_tables_add_up(cache)
    seamless.close()
    return "fine"


def main(rounds: int, seed: int) -> None:
    faulthandler.dump_traceback_later(HANG_SECONDS * 2 + rounds * 5, exit=True)
    sys.setswitchinterval(1e-5)
    cache, stop = get_buffer_cache(), SimpleQueue[None]()
    generator, failures = random.Random(seed), list[BaseException]()
    # Python does not reset the locks of modules that are being imported, so all are imported
    use_everything(Activity(cache, seed), "first")
    Buffer(b"written first").tempref()
    buffer_writer.flush()

    def use(number: int) -> None:
        activity = Activity(cache, (seed, number))
        try:
            while stop.empty():
                use_everything(activity, f"parent_{number}")
        except BaseException as error:
            failures.append(error)
            raise

    threads = [threading.Thread(target=use, args=(number,), daemon=True) for number in range(4)]
    for thread in threads:
        thread.start()
    for number in range(rounds):
        time.sleep(generator.uniform(0, 0.02))
        assert run_in_child(partial(check_in_child, (seed, number))) == "'fine'"
    stop.put(None)
    for thread in threads:
        thread.join(HANG_SECONDS)
        assert not thread.is_alive(), "a thread of the parent stands still"
    assert failures == []
    buffer_writer.flush()
    assert_tables_add_up(cache)
    seamless.close()
    sys.stdout.write(f"{rounds} children, all fine\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        os.environ["SEAMLESS_BUFFER_DIR"] = directory
        main(options.rounds, options.seed)
