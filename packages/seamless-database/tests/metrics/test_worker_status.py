from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from itertools import pairwise

import pytest
from database_server import TIMEOUT

from seamless_database.metrics.worker_status import SLOT_SIZE, SharedState, StatusSlot


@pytest.fixture
def shared_state() -> SharedState:
    return SharedState(3)


def test_new_slots_are_empty(shared_state: SharedState) -> None:
    assert [shared_state.read(slot) for slot in range(shared_state.slots)] == [None, None, None]


def test_the_last_text_of_each_slot_is_read(shared_state: SharedState) -> None:
    for number in range(5):
        shared_state.write(0, b"first %d" % number)
        shared_state.write(2, b"third %d" % number * 100)
    assert [shared_state.read(slot) for slot in range(3)] == [b"first 4", None, b"third 4" * 100]


def test_a_text_fills_its_slot_at_most(shared_state: SharedState) -> None:
    longest = b"x" * (SLOT_SIZE - 16)
    shared_state.write(1, longest)
    assert shared_state.read(1) == longest
    shared_state.write(1, longest + b"x")
    assert shared_state.read(1) == longest
    shared_state.write(1, b"short")
    shared_state.write(1, b"x" * SLOT_SIZE)
    assert shared_state.read(1) == b"short"
    assert (shared_state.read(0), shared_state.read(2)) == (None, None)


def test_an_incomplete_write_leaves_the_previous_text(shared_state: SharedState) -> None:
    texts = [b"one", b"two", b"three", b"four"]
    shared_state.write(0, texts[0])
    for before, text in pairwise(texts):
        shared_state.write(0, text)
        memory = shared_state._memory
        start = memory.find(text)
        memory[start : start + 3] = b"---"
        assert shared_state.read(0) == before
        memory[start : start + 3] = text[:3]
        assert shared_state.read(0) == text
    shared_state.write(0, b"new")
    assert shared_state.read(0) == b"new"


def test_workers_read_the_status_of_each_other(shared_state: SharedState) -> None:
    slot = StatusSlot(1, shared_state)
    assert slot.previous() is None
    slot.publish(2.0, {"queued_writes": 3})
    statuses = shared_state.read_statuses()
    assert list(statuses) == [1]
    assert (statuses[1].pid, statuses[1].metrics) == (os.getpid(), {"queued_writes": 3})
    assert statuses[1].published - statuses[1].last_active == pytest.approx(2.0)
    assert (slot.previous(), slot.others()) == (statuses[1], [])
    assert StatusSlot(0, shared_state).others() == [statuses[1]]


def test_a_process_that_is_killed_while_it_writes_leaves_a_complete_text() -> None:
    program = f"""
        import os, signal
        from seamless_database.metrics.worker_status import SharedState

        shared_state = SharedState(1)
        reader, writer = os.pipe()
        pid = os.fork()
        if pid == 0:
            for number in range(10**9):
                shared_state.write(0, str(number).encode() * 1000)
                if number == 100:
                    os.write(writer, b".")
        os.read(reader, 1)
        seen = [shared_state.read(0) for _ in range(200)]
        os.kill(pid, {int(signal.SIGKILL)})
        os.waitpid(pid, 0)
        seen.append(shared_state.read(0))
        found = [text for text in seen if text is not None]
        print(all(text == text[: len(text) // 1000] * 1000 for text in found), seen[-1] is not None)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=True,
    )
    assert done.stdout == "True True\n"
