"""`RecentSet`: a set of digests that drops the oldest ones, for the scratch marks."""

from __future__ import annotations

__all__ = ["RecentSet"]

#: Digests that are kept at least.
MAX_ENTRIES = 50_000


class RecentSet:
    """A set of digests in two generations: when the young one is full, the old one is dropped.

    It contains at least the last `max_entries` digests that were added or looked up, and at most
    twice as many. A dropped scratch mark belongs to an unreferenced buffer, which only a
    recomputation can produce again, and that marks it again. Not thread-safe by itself.
    """

    def __init__(self, max_entries: int = MAX_ENTRIES) -> None:
        self._max_entries = max_entries
        self._young: set[bytes] = set()
        self._old: set[bytes] = set()

    def __len__(self) -> int:
        return len(self._young | self._old)

    def __contains__(self, digest: bytes) -> bool:
        if digest in self._young:
            return True
        if digest not in self._old:
            return False
        self.add(digest)
        return True

    def add(self, digest: bytes) -> None:
        """Add a digest."""
        self._young.add(digest)
        if len(self._young) > self._max_entries:
            self._old, self._young = self._young, set()

    def discard(self, digest: bytes) -> None:
        """Remove a digest, if it is in the set."""
        self._young.discard(digest)
        self._old.discard(digest)
