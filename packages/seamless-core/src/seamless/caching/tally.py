"""Counting from any thread, without a lock."""

from __future__ import annotations

from itertools import count

__all__ = ["Tally"]


class Tally(count):  # type: ignore[type-arg]  # not generic while it runs
    """How often something has happened: each `next` counts one time.

    That is one step in C, which Python's lock makes exact. An `x += 1` that has to be exact
    takes a lock of its own, which costs four times as much.
    """

    def __init__(self) -> None:
        self._looks = 0

    def total(self) -> int:
        """Return how often it has happened. Not to be called by two threads at once."""
        so_far: int = next(self) - self._looks
        self._looks += 1
        return so_far
