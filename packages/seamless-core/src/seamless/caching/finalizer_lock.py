"""`FinalizerSafeLock`: a lock for state that finalizers and signal handlers change too.

Python runs finalizers, weak reference callbacks and signal handlers at any step of a change, in
the thread that holds the lock. A plain lock would deadlock; a re-entrant lock alone would let the
finalizer modify inconsistent state. So a change that begins inside another one becomes a pending
call, which runs after the outer change has ended and the lock is released.

A change that an exception ends (`KeyboardInterrupt`, `MemoryError`), or that another thread was
making when this process was forked, leaves the state inconsistent. The next change repairs it
first.
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

#: Every change leaves `CHANGING` before it releases the lock. So code that holds the lock in this
#: state runs inside a change of its own thread.
CLEAN, CHANGING, BROKEN = 0, 1, 2


class FinalizerSafeLock:
    """A re-entrant lock, whether the guarded state is consistent, and the pending calls.

    Readers hold `lock`; a finalizer may then read the intermediate state of a change. Changes are
    made by `change`; callers for which that is too slow contain its code.

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
        #: called without the lock when the running change has ended
        self.pending: deque[Callable[[], object]] = deque()
        call_after_fork(self)

    def change(self, make: Callable[..., Result], *arguments: object) -> Result | None:
        """Call `make(*arguments)` with the lock held, and return its result.

        Inside another change of this thread the call is deferred, and the result is None.
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
        """Return whether a change may begin; repairs broken state. The lock must be held."""
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
        """Run the pending calls, unless this thread is inside a change, which runs them later."""
        while self.pending:
            with self.lock:
                if self.state == CHANGING:
                    return
            try:
                call = self.pending.popleft()
            except IndexError:  # another thread has taken it
                return
            call()

    def reset_after_fork(self) -> None:
        """Mark the state as broken in a child if another thread was changing it in the parent."""
        if self.state == CHANGING and not self.lock._is_owned():  # type: ignore[attr-defined]
            self.state = BROKEN
