"""Counting from any thread, without a lock."""

from __future__ import annotations

from itertools import count

__all__ = ["AtomicCounter"]


class AtomicCounter(count):  # type: ignore[type-arg]  # not generic while it runs
    """How often something has happened: each `next` counts one time.

    That is one step in C, which Python's lock makes exact. An `x += 1` that has to be exact
    takes a lock of its own, which costs four times as much.
    """

    def total(self) -> int:
        """Return how often it has happened."""
        # the text is `AtomicCounter(5)`, and the only way to see the number without counting
        return int(repr(self).partition("(")[2].rstrip(")"))
