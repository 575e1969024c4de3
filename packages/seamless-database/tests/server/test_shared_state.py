from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import textwrap

import pytest
from database_server import PATIENCE

from seamless_database.server.shared_state import SLOT_SIZE, SharedState
from seamless_database.server.worker import WorkerContext, read_statuses


@pytest.fixture
def shared_state() -> SharedState:
    return SharedState(3)


def test_a_new_board_is_empty(shared_state: SharedState) -> None:
    assert [shared_state.read(place) for place in range(shared_state.slots)] == [None, None, None]


def test_the_last_text_of_each_place_is_read(shared_state: SharedState) -> None:
    for number in range(5):
        shared_state.write(0, b"first %d" % number)
        shared_state.write(2, b"third %d" % number * 100)
    assert [shared_state.read(place) for place in range(3)] == [b"first 4", None, b"third 4" * 100]


def test_what_does_not_fit_leaves_what_was_there(shared_state: SharedState) -> None:
    shared_state.write(1, b"short")
    shared_state.write(1, b"x" * SLOT_SIZE)
    assert shared_state.read(1) == b"short"
    assert (shared_state.read(0), shared_state.read(2)) == (None, None)


def test_what_is_written_by_halves_leaves_what_was_there(shared_state: SharedState) -> None:
    shared_state.write(0, b"one")
    shared_state.write(0, b"another")
    memory = shared_state._memory
    place = memory.find(b"another")
    memory[place : place + 3] = b"---"
    assert shared_state.read(0) == b"one"
    shared_state.write(0, b"new")
    assert shared_state.read(0) == b"new"


def test_seats_leave_notes_for_each_other(shared_state: SharedState) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        WorkerContext(1, -1, -1, ours, shared_state).publish(2.0, {"waiting": 3})
    found = read_statuses(shared_state)
    assert list(found) == [1]
    assert (found[1].pid, found[1].figures) == (os.getpid(), {"waiting": 3})
    assert found[1].written - found[1].active == pytest.approx(2.0)


def test_a_process_reads_what_another_wrote_even_if_that_was_killed_meanwhile() -> None:
    program = f"""
        import os, signal
        from seamless_database.server.shared_state import Board

        board = Board(1)
        reader, writer = os.pipe()
        pid = os.fork()
        if pid == 0:
            for number in range(10**9):
                board.write(0, str(number).encode() * 1000)
                if number == 100:
                    os.write(writer, b".")
        os.read(reader, 1)
        seen = [board.read(0) for _ in range(200)]
        os.kill(pid, {int(signal.SIGKILL)})
        os.waitpid(pid, 0)
        seen.append(board.read(0))
        whole = [text for text in seen if text is not None]
        print(all(text == text[: len(text) // 1000] * 1000 for text in whole), seen[-1] is not None)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=True,
    )
    assert done.stdout == "True True\n"
