"""A lock for state that finalizers touch.

The garbage collector may run a finalizer in the middle of a critical section, in the very
thread that holds the lock. A plain lock would deadlock there, and a re-entrant one lets the
finalizer change what is being changed. So a finalizer leaves its wish in a list instead, and
whoever leaves the section grants it.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["CriticalSection"]

Wish = TypeVar("Wish")


class CriticalSection(Generic[Wish]):
    """A re-entrant lock as a context manager, with wishes that wait until it is left.

    Parameters
    ----------
    grant
        Called with one wish at a time, outside the section; it may enter the section.
    """

    def __init__(self, grant: Callable[[Wish], None]) -> None:
        self.lock = threading.RLock()
        self._grant = grant
        self._wishes: deque[Wish] = deque()
        #: guarded by `lock`, and only ever compared with the asking thread's own number
        self._owner = 0
        self._depth = 0

    def __enter__(self) -> None:
        self.lock.acquire()
        self._depth += 1
        self._owner = threading.get_ident()

    def __exit__(self, *exc_info: object) -> None:
        self._depth -= 1
        if self._depth == 0:
            self._owner = 0
        self.lock.release()
        if self._wishes:
            self._grant_wishes()

    def wish(self, wish: Wish) -> None:
        """Have a wish granted: at once, or when this thread leaves the section."""
        self._wishes.append(wish)
        self._grant_wishes()

    def _grant_wishes(self) -> None:
        while self._wishes and self._owner != threading.get_ident():
            try:
                wish = self._wishes.popleft()
            except IndexError:  # another thread was quicker
                return
            self._grant(wish)

    def renew_after_fork(self) -> None:
        """Forget a holder that exists in the parent process only."""
        self.lock = threading.RLock()
        self._owner = 0
        self._depth = 0
