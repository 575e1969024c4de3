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

    Whoever has a wish appends it to `wishes` and calls `grant_wishes`.
    Who holds `lock` without having entered is not inside: wishes are granted at once then.

    Parameters
    ----------
    grant
        Called with one wish at a time, outside the section; it may enter the section.
    """

    __slots__ = ("_grant", "depth", "lock", "wishes")

    def __init__(self, grant: Callable[[Wish], None]) -> None:
        self._grant = grant
        self.wishes: deque[Wish] = deque()
        self.renew_after_fork()

    def __enter__(self) -> None:
        self.lock.acquire()
        self.depth += 1

    def __exit__(self, *exc_info: object) -> None:
        self.depth -= 1
        self.lock.release()
        if self.wishes:
            self.grant_wishes()

    def grant_wishes(self) -> None:
        """Grant what waits, unless this thread is inside and will do so when it leaves."""
        while self.wishes:
            with self.lock:
                if self.depth:
                    return
                try:
                    wish = self.wishes.popleft()
                except IndexError:  # another thread was quicker
                    return
            self._grant(wish)

    def renew_after_fork(self) -> None:
        """Forget a holder that exists in the parent process only."""
        self.lock = threading.RLock()
        #: guarded by `lock`: how often the thread that holds it is inside
        self.depth = 0
