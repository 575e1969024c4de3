"""The fair lock works between processes, so each test is a program that forks."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING

from database_server import TIMEOUT

from seamless_database.errors import DatabaseLockedError

if TYPE_CHECKING:
    from pathlib import Path

#: `child(work)` runs it in another process; gives its number and a file with what it writes
PREFACE = """
import os, signal, sys
from seamless_database.storage.sqlite.fair_lock import FairWriterLock

lock = FairWriterLock()

def child(work):
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reader)
        work(lambda word: os.write(writer, word.encode() + b"\\n"))
        os._exit(0)
    os.close(writer)
    return pid, os.fdopen(reader)
"""


def run(program: str) -> str:
    """Run a program to its end; returns what it has printed."""
    source = PREFACE + textwrap.dedent(program)
    done = subprocess.run(
        [sys.executable, "-c", source],
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    assert done.stderr == ""
    return done.stdout


def test_a_free_lock_is_acquired_at_once() -> None:
    program = """
        for _ in range(3):
            print(lock.acquire(0))
            lock.release()
    """
    assert run(program) == "True\nTrue\nTrue\n"


def test_a_process_that_has_waited_leaves_the_lock_alone_afterwards() -> None:
    program = """
        def hold(say):
            lock.acquire(0)
            say("held")
            signal.pause()

        def take(say):
            say(str(lock.acquire(0)))

        pid, said = child(hold)
        said.readline()
        print(lock.acquire(0.01))
        os.kill(pid, signal.SIGKILL)
        print(lock.acquire(30))
        lock.release()
        for _ in range(20):
            pid, said = child(take)
            print(said.readline().strip())
            os.waitpid(pid, 0)
    """
    assert run(program) == "False\n" + 21 * "True\n"


def test_one_process_at_a_time_holds_the_lock() -> None:
    program = """
        shared, events = os.pipe()

        def work(say):
            for _ in range(40):
                assert lock.acquire(30)
                os.write(events, b"(")
                os.write(events, b")")
                lock.release()

        for pid, _ in [child(work) for _ in range(3)]:
            os.waitpid(pid, 0)
        print(os.read(shared, 1000).decode())
    """
    assert run(program) == 120 * "()" + "\n"


def test_acquire_times_out() -> None:
    program = """
        def work(say):
            lock.acquire(0)
            say("mine")
            signal.pause()

        pid, said = child(work)
        said.readline()
        print(lock.acquire(0.1), lock.acquire(0.1))
        os.kill(pid, signal.SIGTERM)
        os.waitpid(pid, 0)
        # the lock of the acquire that timed out was not kept
        print(lock.acquire(30))
        lock.release()
        other, said = child(lambda say: say(str(lock.acquire(30))))
        print(said.readline(), end="")
    """
    assert run(program) == "False False\nTrue\nTrue\n"


def test_a_killed_process_releases_the_lock() -> None:
    program = """
        def work(say):
            lock.acquire(0)
            say("mine")
            signal.pause()

        pid, said = child(work)
        said.readline()
        os.kill(pid, signal.SIGKILL)
        print(lock.acquire(30))
    """
    assert run(program) == "True\n"


def test_a_killed_waiter_blocks_no_other() -> None:
    program = """
        def work(say):
            say("here")
            lock.acquire(30)

        assert lock.acquire(0)
        pid, said = child(work)
        said.readline()
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        lock.release()
        print(lock.acquire(30))
    """
    assert run(program) == "True\n"


def test_the_processes_compare_a_value_with_the_first_one() -> None:
    program = """
        pid, said = child(lambda say: say(str(lock.store_or_compare(b"1:2"))))
        print(said.readline(), end="")
        os.waitpid(pid, 0)
        print(lock.store_or_compare(b"1:2"), lock.store_or_compare(b"1:3"))
    """
    assert run(program) == "True\nTrue False\n"


def test_a_transaction_begins_once_the_lock_is_free(tmp_path: Path) -> None:
    program = f"""
        from pathlib import Path
        from seamless_database.errors import DatabaseLockedError
        from seamless_database.storage.sqlite.connection import Connection
        from seamless_database.storage.sqlite.transactions import Transactions

        def hold(say):
            assert lock.acquire(30)
            say("held")
            signal.pause()

        pid, words = child(hold)
        words.readline()
        connection = Connection.open(Path({str(tmp_path / "some.db")!r}), "rwc")
        transactions = Transactions(connection, 0.1, lock)
        try:
            transactions.begin()
        except DatabaseLockedError as error:
            print(error)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        transactions = Transactions(connection, 30, lock)
        transactions.begin()
        transactions.commit()
        print("committed")
    """
    assert run(program) == f"{DatabaseLockedError(0.1)}\ncommitted\n"
