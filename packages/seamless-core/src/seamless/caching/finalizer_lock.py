"""A lock for state that finalizers and signal handlers change too.

The garbage collector and the interpreter run finalizers, weak reference callbacks and signal
handlers between two steps of a change, in the very thread that holds the lock. A plain lock
would deadlock there; a re-entrant lock alone would let the finalizer change what is half
changed. So a change that begins inside another one is kept as a pending call, which runs as
soon as the outer change has ended and the lock is released.

A change that an exception ends (`KeyboardInterrupt`, `MemoryError`), or that another thread was
making when this process was forked, leaves the state half changed. The next change repairs
it first.
"""

from __future__ import annotations

from collections import deque
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from seamless.util.locks import call_after_fork, new_lock

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["BROKEN", "CHANGING", "CLEAN", "FinalizerSafeLock"]

Result = TypeVar("Result")

#: Every change ends in another state than `CHANGING` before it releases the lock. So code that
#: has taken the lock and finds this state runs inside a change of its own thread.
CLEAN, CHANGING, BROKEN = 0, 1, 2


class FinalizerSafeLock:
    """A re-entrant lock, the state of what it guards, and the calls that wait for it.

    Holding `lock` is enough for reading, also for reading from a finalizer, which may then see
    a change that is half made. A change is made by `change`; callers for which that is too slow
    spell it out.

    Parameters
    ----------
    repair
        Makes the guarded state consistent again; called with the lock held.
    """

    __slots__ = ("__weakref__", "_repair", "lock", "pending", "state")

    def __init__(self, repair: Callable[[], object]) -> None:
        self._repair = repair
        self.lock = new_lock()
        #: guarded by `lock`
        self.state = CLEAN
        #: what is called, outside of the lock, when the change that is under way has ended
        self.pending: deque[Callable[[], object]] = deque()
        call_after_fork(self)

    def change(self, make: Callable[..., Result], *arguments: object) -> Result | None:
        """Call `make(*arguments)` with the lock held, and return its result.

        Inside another change of this thread the call is put off, and the result is None.
        """
        with self.lock:
            if self.state and not self.may_change():
                self.pending.append(partial(self.change, make, *arguments))
                return None
            self.state = CHANGING
            try:
                result = make(*arguments)
            except BaseException:
                self.state = BROKEN
                raise
            self.state = CLEAN
        if self.pending:
            self.run_pending()
        return result

    def may_change(self) -> bool:
        """With the lock held and a state that is not clean: tell whether a change may begin."""
        if self.state == CHANGING:
            return False
        self.state = CHANGING
        try:
            self._repair()
        except BaseException:
            self.state = BROKEN
            raise
        self.state = CLEAN
        return True

    def run_pending(self) -> None:
        """Make the pending calls, unless this thread is inside a change: its end makes them."""
        while self.pending:
            with self.lock:
                if self.state == CHANGING:
                    return
            try:
                call = self.pending.popleft()
            except IndexError:  # another thread was faster
                return
            call()

    def reset_after_fork(self) -> None:
        """Have what another thread of the parent was changing repaired in this child."""
        if self.state == CHANGING and not self.lock._is_owned():  # type: ignore[attr-defined]
            self.state = BROKEN
