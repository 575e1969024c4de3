"""Holding back Ctrl-C for a moment that must not be cut in two."""

from __future__ import annotations

import contextlib
import signal

TYPE_CHECKING = False  # known to type checkers; importing typing would slow every start
if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["defer_sigint"]


@contextlib.contextmanager
def defer_sigint() -> Iterator[None]:
    """Let a Ctrl-C within the block count at its end; for the main thread only.

    A handler rather than a signal mask: a mask would not hold for other threads of the
    process, and the exception arises in the main thread whoever receives the signal.
    """
    came: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _frame: came.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if came and callable(before):
        before(signal.SIGINT, None)
