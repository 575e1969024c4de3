"""Which checksums were last referenced as scratch, also after their buffers have gone."""

from __future__ import annotations

__all__ = ["RecentSet"]

#: How many marks are remembered at least, beyond those of buffers that are referenced.
MAX_ENTRIES = 50_000


class RecentSet:
    """A set of digests in two generations: when the young one is full, the old one goes.

    So at least the `remembered` marks that were last made or asked for are known, and at most
    twice as many. Whose mark is forgotten has no reference and no place to come from but a
    recomputation, and that marks it anew. Not thread-safe by itself.
    """

    def __init__(self, remembered: int = MAX_ENTRIES) -> None:
        self._remembered = remembered
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
        """Mark a digest."""
        self._young.add(digest)
        if len(self._young) > self._remembered:
            self._old, self._young = self._young, set()

    def discard(self, digest: bytes) -> None:
        """Take a mark away; nothing happens if there is none."""
        self._young.discard(digest)
        self._old.discard(digest)
