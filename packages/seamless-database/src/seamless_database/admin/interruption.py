"""Signals that end a command. Work on a database puts them off until nothing is left half done.

A `KeyboardInterrupt` in the middle of a library, or of the removal of a temporary folder, would
leave its work undone. So within `deferred`, a signal is noted, a statement that runs is cancelled,
and `check` raises at a place of its own choice.
"""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType


class Interruption:
    """Whether a signal has come, and whether it has to wait.

    Belongs to the main thread, which is where Python handles signals.
    """

    def __init__(self) -> None:
        self.came = False
        self._deferred = False
        #: connections of psycopg, whose statements a signal cancels
        self._connections: WeakSet[Any] = WeakSet()

    def watch(self) -> None:
        """Take over INT, TERM and HUP, unless a caller has had them ignored, as nohup does."""
        self.came = False
        if threading.current_thread() is not threading.main_thread():
            return
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self._note)

    @contextmanager
    def deferred(self, *, defer: bool = True) -> Iterator[None]:
        """Put signals off, or let them end the command at once within a part of such a block."""
        before, self._deferred = self._deferred, defer
        try:
            if not defer:
                self.check()
            yield
        finally:
            self._deferred = before

    def check(self) -> None:
        """Raise a `KeyboardInterrupt` if a signal has come."""
        if self.came:
            raise KeyboardInterrupt

    def cancel_with_it(self, connection: Any) -> None:
        """Cancel what a connection of psycopg is doing when a signal comes."""
        self._connections.add(connection)

    def _note(self, _number: int, _frame: FrameType | None) -> None:
        self.came = True
        if not self._deferred:
            raise KeyboardInterrupt
        for connection in tuple(self._connections):
            if not connection.closed:
                connection.cancel()


#: the one of this process
INTERRUPTION = Interruption()
