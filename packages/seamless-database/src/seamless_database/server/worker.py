"""What one worker of several shares with the process that has begun it, and with the others.

It hears of the end of that process, however sudden, because a pipe that only that process could
write to comes to its end; it tells over another pipe that it is ready, or why it never will be;
it gets its connections over a socket; and it leaves on the board what the others may want to know
of it.
"""

from __future__ import annotations

import json
import os
import socket
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seamless_database.server.shared_state import SharedState

#: what a worker says first: that it is ready; anything else is why it cannot start
READY = "ready"


@dataclass(frozen=True, slots=True)
class WorkerContext:
    """One worker's place among its like."""

    #: counted from 0
    number: int
    #: comes to its end with the process that has begun us
    parent_pipe: int
    #: where to say the first word
    report: int
    #: where our connections come from
    fd_socket: socket.socket
    shared_state: SharedState

    def connections(self) -> Iterator[socket.socket]:
        """Take the connections that have come for us."""
        self.fd_socket.setblocking(False)
        while True:
            try:
                word, descriptors, _, _ = socket.recv_fds(self.fd_socket, 1, 1)
            except BlockingIOError:
                return
            if not word:
                # the lifeline tells what that means
                return
            for descriptor in descriptors:
                yield socket.socket(fileno=descriptor)

    def notify(self, word: str) -> None:
        """Say `READY`, or why we cannot start."""
        # nobody may be there to hear it any more, which the lifeline tells
        with suppress(BrokenPipeError):
            os.write(self.report, word.encode(errors="backslashreplace")[:4000])

    def publish(self, idle: float, figures: dict[str, Any]) -> None:
        """Leave on the board for how many seconds we have been idle, and our figures."""
        now = time.monotonic()
        note = WorkerStatus(os.getpid(), now - idle, now, figures)
        self.shared_state.write(self.number, note.text())


@dataclass(frozen=True, slots=True)
class WorkerStatus:
    """What one worker has left on the board."""

    pid: int
    #: when its last request was done with, and when that was written down; of the monotonic clock
    active: float
    written: float
    figures: dict[str, Any]

    def text(self) -> bytes:
        """Write it down."""
        return json.dumps([self.pid, self.active, self.written, self.figures]).encode()


def read_statuses(shared_state: SharedState) -> dict[int, WorkerStatus]:
    """Read what is on the board, by the number of the seat."""
    found = {}
    for number in range(shared_state.slots):
        text = shared_state.read(number)
        if text is not None:
            found[number] = WorkerStatus(*json.loads(text))
    return found
