"""The signals that stop the server, and what they do to a start that is under way."""

from __future__ import annotations

import signal
from collections.abc import Callable
from types import FrameType

STOP_SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGTERM", "SIGINT", "SIGHUP") if hasattr(signal, name)
)

_Handler = Callable[[int, FrameType | None], object] | signal.Handlers


class Stopped(BaseException):  # no error; a BaseException, like KeyboardInterrupt
    """A stop signal came before the server was ready."""


class StopRequest:
    """Ends a start at the first stop signal, wherever the main thread is at that moment."""

    def __init__(self) -> None:
        self._received = False

    def install(self) -> None:
        """Raise `Stopped` in the main thread at the first stop signal."""
        _handle(self._receive)

    def check(self) -> None:
        """Raise `Stopped` if a signal has come: a destructor may have swallowed the first raise."""
        if self._received:
            raise Stopped

    def _receive(self, _number: int, _frame: FrameType | None) -> None:
        # a second signal must not interrupt the clean-up after the first
        if not self._received:
            self._received = True
            raise Stopped


def ignore() -> None:
    """Ignore stop signals for the short rest of this process."""
    _handle(signal.SIG_IGN)


def _handle(handler: _Handler) -> None:
    for number in STOP_SIGNALS:
        # a launcher may have had a signal ignored on purpose, as nohup does
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, handler)
