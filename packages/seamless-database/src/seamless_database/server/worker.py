"""The context of one worker process: its pipes to and from the supervisor, and its status slot.

A worker detects the death of the supervisor by EOF on a pipe, reports on a second pipe that it is
ready or why it cannot start, receives accepted connections over a socket, and publishes its status
in shared memory.
"""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seamless_database.metrics.worker_status import StatusSlot

#: the message of a worker that serves requests; any other message says why it cannot start
READY = "ready"


@dataclass(frozen=True, slots=True)
class WorkerContext:
    """What one worker process inherits from the supervisor."""

    #: reads EOF once the supervisor has ended
    parent_pipe: int
    #: takes the message of `notify`
    ready_pipe: int
    #: accepted connections arrive here
    fd_socket: socket.socket
    status_slot: StatusSlot

    def receive_connections(self) -> Iterator[socket.socket]:
        """Receive the connections that the supervisor has assigned to this worker."""
        self.fd_socket.setblocking(False)
        while True:
            try:
                message, descriptors, _, _ = socket.recv_fds(self.fd_socket, 1, 1)
            except BlockingIOError:
                return
            if not message:
                # the supervisor has ended; `parent_pipe` reports that
                return
            for descriptor in descriptors:
                yield socket.socket(fileno=descriptor)

    def notify(self, message: str) -> None:
        """Send `READY`, or the reason why this worker cannot start."""
        # a supervisor that has ended reads nothing; `parent_pipe` reports that
        with suppress(BrokenPipeError):
            os.write(self.ready_pipe, message.encode(errors="backslashreplace")[:4000])
