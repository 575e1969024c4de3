"""The signals that stop the server, and how they interrupt a start."""

from __future__ import annotations

import signal
from collections.abc import Callable
from types import FrameType

from seamless_database.unraisable import ignore_unraisable

STOP_SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGTERM", "SIGINT", "SIGHUP") if hasattr(signal, name)
)

_Handler = Callable[[int, FrameType | None], object] | signal.Handlers


class Stopped(BaseException):  # no error; a BaseException, like KeyboardInterrupt
    """A stop signal arrived before the server was ready."""


class StopRequest:
    """Interrupts a start at the first stop signal."""

    def __init__(self) -> None:
        self._received = False
        self._is_deferred = False

    def install(self) -> None:
        """Raise `Stopped` in the main thread at the first stop signal."""
        ignore_unraisable(Stopped)
        _set_handlers(self._receive)

    def defer(self) -> None:
        """Raise `Stopped` if a signal has arrived; from now on only `check` raises it.

        An exception at any point would leave the start of the event loop half done. To block the
        signals does not prevent that: the system lets another thread receive them.
        """
        self._is_deferred = True
        self.check()

    def check(self) -> None:
        """Raise `Stopped` if a signal has arrived: a destructor may have discarded it before."""
        if self._received:
            raise Stopped

    def _receive(self, _number: int, _frame: FrameType | None) -> None:
        # a second signal must not interrupt the clean-up after the first
        if not self._received:
            self._received = True
            if not self._is_deferred:
                raise Stopped


def ignore() -> None:
    """Ignore stop signals while this process ends."""
    _set_handlers(signal.SIG_IGN)


def _set_handlers(handler: _Handler) -> None:
    for number in STOP_SIGNALS:
        # a launcher may have had a signal ignored on purpose, as nohup does
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, handler)
