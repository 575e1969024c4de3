"""`AtomicCounter`: a thread-safe counter without a lock."""

from __future__ import annotations

from itertools import count

__all__ = ["AtomicCounter"]


class AtomicCounter(count):  # type: ignore[type-arg]  # not generic while it runs
    """A counter that each `next` increments.

    The increment is one step in C, so Python's own lock makes it atomic. A separate lock around
    `x += 1` would cost four times as much.
    """

    def total(self) -> int:
        """Return the number of increments."""
        # the `repr`, `AtomicCounter(5)`, is the only way to read the number without incrementing it
        return int(repr(self).partition("(")[2].rstrip(")"))
