"""Write lines to a file descriptor from a thread, so that a stalled reader blocks no caller.

A pipe whose reader has stalled blocks every write once it is full, and a signal does not interrupt
that write. The queue of the thread is bounded; further lines are dropped, and the next line that is
written reports their number.
"""

from __future__ import annotations

import io
import os
import queue
import threading
from collections.abc import Callable
from typing import TextIO

#: lines that may be queued
MAX_QUEUED = 10_000
#: seconds that `close` waits for the queue
CLOSE_TIMEOUT = 1.0

#: formats a line, given the number of lines dropped before it; the thread calls it
MakeLine = Callable[[int], bytes]


class LineWriter:
    """Writes to an open file descriptor; a context manager that writes its queue out in the end.

    `put` is safe from any thread. The thread uses a descriptor, because a Python stream has a
    lock, whose holder would keep the interpreter from ending.
    """

    def __init__(self, descriptor: int, *, max_queued: int = MAX_QUEUED) -> None:
        self._descriptor = descriptor
        self._max_queued = max_queued
        self._queue: queue.SimpleQueue[tuple[MakeLine, int] | None] = queue.SimpleQueue()
        #: guards `_dropped`
        self._lock = threading.Lock()
        self._dropped = 0
        self._thread = threading.Thread(target=self._loop, name="line-writer", daemon=True)
        self._thread.start()

    def put(self, make_line: MakeLine) -> None:
        """Queue a line, or drop it when too many are queued."""
        with self._lock:
            if self.queued >= self._max_queued:
                self._dropped += 1
                return
            dropped, self._dropped = self._dropped, 0
        self._queue.put((make_line, dropped))

    @property
    def queued(self) -> int:
        """Number of lines that are not written yet."""
        return self._queue.qsize()

    def close(self) -> None:
        """Write the queue out; give up on a file that takes too long."""
        self._queue.put(None)
        self._thread.join(CLOSE_TIMEOUT)

    def __enter__(self) -> LineWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _loop(self) -> None:
        while (item := self._queue.get()) is not None:
            make_line, dropped = item
            try:
                self._write(make_line(dropped))
            except OSError:
                # a full disk or a closed pipe is no reason to stop serving
                continue

    def _write(self, line: bytes) -> None:
        while line:
            line = line[os.write(self._descriptor, line) :]


class LineStream(io.TextIOBase):
    """A text stream over a `LineWriter`, to stand in for `sys.stderr`."""

    def __init__(self, writer: LineWriter) -> None:
        self._writer = writer

    def writable(self) -> bool:
        """Whether the stream can be written to: always."""
        return True

    def write(self, text: str) -> int:
        """Queue a text, which need not be a whole line."""
        content = text.encode(errors="backslashreplace")

        def make_line(dropped: int) -> bytes:
            return b"(%d lines are missing here)\n%b" % (dropped, content) if dropped else content

        self._writer.put(make_line)
        return len(text)


def descriptor_of(stream: TextIO | None) -> int | None:
    """Return the descriptor of a stream; None if it was closed at the start, or has none."""
    try:
        return None if stream is None else stream.fileno()
    except (OSError, ValueError):
        return None


def write_line(stream: TextIO | None, line: str) -> None:
    """Write one line to a stream; a stalled reader delays it by `CLOSE_TIMEOUT` at most."""
    if stream is None:
        return
    descriptor = descriptor_of(stream)
    if descriptor is None:
        print(line, file=stream)
        return
    content = f"{line}\n".encode(stream.encoding, "backslashreplace")
    with LineWriter(descriptor) as writer:
        writer.put(lambda _dropped: content)
