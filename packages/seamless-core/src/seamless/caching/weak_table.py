"""Which buffers are alive: found by digest as long as anybody has them, and no longer.

As a `weakref.WeakValueDictionary`, for a quarter of the price: of a buffer that dies only the
reference is put aside, by C code that may run anywhere in any thread, and cleared away when
there are some. `BufferCache` does that inside its lock; what else needs the lock says so.
"""

from __future__ import annotations

import weakref
from collections import deque
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from seamless.buffer_class import Buffer

__all__ = ["WeakTable"]


class _Known(weakref.ref["Buffer"]):
    """A weak reference that knows under which digest it lies."""

    __slots__ = ("digest",)

    digest: bytes


class WeakTable:
    """Living buffers by digest."""

    __slots__ = ("_forget", "_known", "dead_refs")

    def __init__(self) -> None:
        self._known: dict[bytes, _Known] = {}
        #: references to buffers that have died
        self.dead_refs: deque[_Known] = deque()
        self._forget: Callable[[Any], None] = self.dead_refs.append

    def get(self, digest: bytes) -> Buffer | None:
        """Return the buffer, if it lives."""
        known = self._known.get(digest)
        return None if known is None else known()

    def __iter__(self) -> Iterator[bytes]:
        """Iterate over the digests of those that live at this moment."""
        known = self._known.copy()  # in one step, as others add meanwhile
        return iter([digest for digest, reference in known.items() if reference() is not None])

    def __len__(self) -> int:
        """Return how many live; `count` is quicker."""
        return sum(1 for _ in self)

    def add(self, digest: bytes, buffer: Buffer) -> Buffer | None:
        """Make a buffer findable, unless there is one of this digest already.

        Each look-up and the addition are one step, so that no lock is needed.

        Returns
        -------
        Buffer or None
            Which one is found now: this buffer, or an elder one; None where that has died,
            and `replace` is needed.
        """
        known = self._known.get(digest)
        if known is None:
            fresh = _Known(buffer, self._forget)
            fresh.digest = digest
            known = self._known.setdefault(digest, fresh)
            if known is fresh:
                return buffer
        return known()

    # -- inside the lock --------------------------------------------------------------

    def replace(self, digest: bytes, buffer: Buffer) -> None:
        """Make a buffer findable, instead of the one that was before."""
        fresh = _Known(buffer, self._forget)
        fresh.digest = digest
        self._known[digest] = fresh

    def pop(self, digest: bytes) -> None:
        """Forget a buffer, though it may live; nothing happens if it is not known."""
        self._known.pop(digest, None)

    def count(self) -> int:
        """Return how many live; quick if those that have died are cleared away."""
        return len(self) if self.dead_refs else len(self._known)

    def purge_dead(self, most: int | None = None) -> None:
        """Forget those that have died, the first `most` of them or all."""
        table, dead_refs = self._known, self.dead_refs
        left = len(dead_refs) if most is None else most
        while left > 0 and dead_refs:
            left -= 1
            known = dead_refs.popleft()
            if table.get(known.digest) is known:
                del table[known.digest]

    def repair(self) -> None:
        """Put all that have died aside again, after `purge_dead` was interrupted."""
        self.dead_refs.extend(known for known in self._known.copy().values() if known() is None)
