"""Signals that end a command (INT, TERM, HUP): deferred while a database is being changed.

A `KeyboardInterrupt` in the middle of a library, or while a temporary folder is removed, would
leave that work unfinished. Within `deferred`, the handler only notes the signal and cancels the
running statement; `check` then raises at a safe point.
"""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from seamless_database.unraisable import ignore_unraisable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType


class Interruption:
    """Whether a signal has asked the command to end, and whether it is deferred.

    Belongs to the main thread, in which Python handles signals.
    """

    def __init__(self) -> None:
        self.requested = False
        self._deferred = False
        #: psycopg connections whose statements a signal cancels
        self._connections: WeakSet[Any] = WeakSet()

    def install_handlers(self) -> None:
        """Handle INT, TERM and HUP, except those that the parent process ignores (nohup)."""
        self.requested = False
        if threading.current_thread() is not threading.main_thread():
            return
        ignore_unraisable(KeyboardInterrupt)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self._handle)

    @contextmanager
    def deferred(self, *, defer: bool = True) -> Iterator[None]:
        """Defer signals within the block; with `defer=False`, they end it at once."""
        before, self._deferred = self._deferred, defer
        try:
            if not defer:
                self.check()
            yield
        finally:
            self._deferred = before

    def check(self) -> None:
        """Raise a `KeyboardInterrupt` if a signal has arrived."""
        if self.requested:
            raise KeyboardInterrupt

    def cancel_on_signal(self, connection: Any) -> None:
        """Cancel the statements of a psycopg connection when a signal arrives."""
        self._connections.add(connection)

    def _handle(self, _number: int, _frame: FrameType | None) -> None:
        self.requested = True
        if not self._deferred:
            raise KeyboardInterrupt
        for connection in tuple(self._connections):
            if not connection.closed:
                connection.cancel()


#: the only instance of the process
INTERRUPTION = Interruption()
