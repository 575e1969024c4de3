"""`defer_sigint`: delays Ctrl-C until the end of a block that must not be interrupted.

A module of its own, so that commands which don't need it save the import of `contextlib`.
"""

from __future__ import annotations

import contextlib
import signal

TYPE_CHECKING = False  # known to type checkers; importing typing would slow every start
if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["defer_sigint"]


@contextlib.contextmanager
def defer_sigint() -> Iterator[None]:
    """Handle a SIGINT within the block at its end; in the main thread only.

    A signal mask would not suffice: another thread could receive the signal, and Python raises
    KeyboardInterrupt in the main thread.
    """
    received: list[int] = []
    handler = signal.signal(signal.SIGINT, lambda number, _frame: received.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)
    if received and callable(handler):
        handler(signal.SIGINT, None)
