"""`ignore_unraisable`: prints nothing for the exception of a signal handler that Python discards.

Python runs a signal handler between any two instructions of the main thread. Inside a destructor or
the callback of a weak reference (the import system has one) it cannot raise the exception of the
handler: it calls `sys.unraisablehook`, which prints a traceback, and goes on.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from sys import UnraisableHookArgs


class _Hook:
    """Passes all discarded exceptions to the previous hook except those of certain classes."""

    def __init__(self, previous: Callable[[UnraisableHookArgs], object]) -> None:
        self._previous = previous
        self.ignored: set[type[BaseException]] = set()

    def __call__(self, unraisable: UnraisableHookArgs) -> None:
        if unraisable.exc_type not in self.ignored:
            self._previous(unraisable)


def ignore_unraisable(kind: type[BaseException]) -> None:
    """Print nothing for discarded exceptions of exactly this class, in the whole process.

    The caller must note the signal elsewhere, because the exception is lost.
    """
    hook = sys.unraisablehook
    if not isinstance(hook, _Hook):
        hook = sys.unraisablehook = _Hook(hook)
    hook.ignored.add(kind)
