"""`RecentSet`: a set of digests of limited size, which forgets the oldest ones.

The buffer cache uses it for scratch marks: the digests of buffers without references, whose last
reference was `scratch`. `StrongTable.is_scratch` looks them up.
"""

from __future__ import annotations

__all__ = ["RecentSet"]

#: Digests that are kept at least.
MAX_ENTRIES = 50_000


class RecentSet:
    """A set of digests in two generations.

    New digests are added to the young generation. When it is full, it becomes the old generation,
    and the digests of the previous old generation are dropped. So the set contains at least the
    last `max_entries` digests that were added or found, and at most twice as many.

    Dropping the digest of a scratch buffer does no harm: no reference to the buffer is left. Only a
    recomputation can produce the buffer again, and references it as scratch again.

    Not thread-safe: `StrongTable` is called inside the lock of the cache.

    Parameters
    ----------
    max_entries
        Digests in a full generation.
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
        young = self._young
        young.add(digest)
        if len(young) > self._max_entries:
            self._old, self._young = young, set()

    def discard(self, digest: bytes) -> None:
        """Remove a digest, if it is in the set."""
        self._young.discard(digest)
        self._old.discard(digest)
