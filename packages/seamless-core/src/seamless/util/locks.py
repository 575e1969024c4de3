"""`new_lock`: creates locks that survive an interrupt and a fork.

Every lock of this package is created by `new_lock` and acquired by a `with` statement. It is a
re-entrant lock written in C, so CPython runs no signal handler between acquiring it and entering
the block, or between leaving the block and releasing it: a `KeyboardInterrupt` never leaves it
acquired. Wrappers written in Python (a method that calls `acquire`, the `with` of a
`threading.Condition`, `threading.Event`) do not have this property.

A forked child has only the thread that called `fork`, so a lock that another thread holds in the
parent would never be released in the child. The child reinitialises every such lock.

Python's import system has neither property: an interrupt may leave its lock acquired, and a child
hangs if it imports a module that another thread of its parent is importing for the first time.
"""

from __future__ import annotations

import os
import threading
import weakref

TYPE_CHECKING = False  # known to type checkers; importing typing would slow every start
if TYPE_CHECKING:
    from typing import Protocol

    class Renewable(Protocol):
        """An object with state that a forked child must reset."""

        def reset_after_fork(self) -> None: ...


__all__ = ["call_after_fork", "new_lock", "registered_locks"]

_locks: weakref.WeakSet[threading.RLock] = weakref.WeakSet()
_renewables: weakref.WeakSet[Renewable] = weakref.WeakSet()


def new_lock() -> threading.RLock:
    """Return a re-entrant lock that a forked child can acquire.

    The child releases the lock if another thread of the parent holds it. If the thread that forks
    holds the lock, it also holds it in the child.
    """
    lock = threading.RLock()
    _locks.add(lock)
    return lock


def call_after_fork(renewable: Renewable) -> None:
    """Call `renewable.reset_after_fork()` in each forked child, after the locks are reset.

    The registration holds a weak reference.
    """
    _renewables.add(renewable)


def registered_locks() -> list[threading.RLock]:
    """Return the locks that a forked child resets."""
    return list(_locks)


def _renew_after_fork() -> None:
    for lock in registered_locks():
        # private methods, which the standard library uses for the same purpose
        if not lock._is_owned():  # type: ignore[attr-defined]
            lock._at_fork_reinit()  # type: ignore[attr-defined]
    for renewable in list(_renewables):
        renewable.reset_after_fork()


os.register_at_fork(after_in_child=_renew_after_fork)
