"""Locks that survive an interrupt and a fork.

Every lock of this package is made by `new_lock` and taken by a `with` statement. It is a
re-entrant lock written in C, so CPython runs no signal handler between taking it and entering
the block, or between leaving the block and releasing it: a `KeyboardInterrupt` never leaves it
taken. Wrappers written in Python (a method that calls `acquire`, the `with` of a
`threading.Condition`, `threading.Event`) do not have this property.

A forked child has only the thread that called `fork`, so a lock that another thread held in
the parent is never released in the child. The child makes every such lock free again.

Python's own import system has neither property: an interrupt may leave its lock taken, and a
child hangs when it imports what another thread of its parent was importing for the first time.
"""

from __future__ import annotations

import os
import threading
import weakref

TYPE_CHECKING = False  # known to type checkers; importing typing would slow every start
if TYPE_CHECKING:
    from typing import Protocol

    class Renewable(Protocol):
        """What has state that a forked child must repair."""

        def reset_after_fork(self) -> None: ...


__all__ = ["call_after_fork", "new_lock", "registered_locks"]

_locks: weakref.WeakSet[threading.RLock] = weakref.WeakSet()
_renewables: weakref.WeakSet[Renewable] = weakref.WeakSet()


def new_lock() -> threading.RLock:
    """Return a re-entrant lock that is free in a forked child, whoever held it in the parent.

    If the thread that forks holds the lock itself, it goes on holding it in the child.
    """
    lock = threading.RLock()
    _locks.add(lock)
    return lock


def call_after_fork(renewable: Renewable) -> None:
    """Call `renewable.reset_after_fork()` in each forked child, after the locks are renewed.

    The object is not kept alive.
    """
    _renewables.add(renewable)


def registered_locks() -> list[threading.RLock]:
    """Return the locks that a forked child renews."""
    return list(_locks)


def _renew_after_fork() -> None:
    for lock in registered_locks():
        # private methods, which the standard library uses for the same purpose
        if not lock._is_owned():  # type: ignore[attr-defined]
            lock._at_fork_reinit()  # type: ignore[attr-defined]
    for renewable in list(_renewables):
        renewable.reset_after_fork()


os.register_at_fork(after_in_child=_renew_after_fork)
