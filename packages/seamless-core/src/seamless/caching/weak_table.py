"""`WeakTable`: living buffers by digest, referenced weakly.

It costs a quarter of a `weakref.WeakValueDictionary`. When a buffer dies, C code appends its
reference to `dead_refs`, at any time and in any thread, and nothing else happens; `purge_dead`
removes the entries of dead buffers in batches. `BufferCache` calls it inside its lock, as it does
the other methods that are not single steps.
"""

from __future__ import annotations

import weakref
from collections import deque
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from seamless.caching.holder import Holder

if TYPE_CHECKING:
    from collections.abc import Callable

    from seamless.util.hex_digest import HexDigest

__all__ = ["WeakTable"]

Held = TypeVar("Held", bound=Holder)


class _Reference(weakref.ref[Held]):
    """A weak reference to a buffer, with the checksum of that buffer."""

    __slots__ = ("key",)

    key: HexDigest


class WeakTable(Generic[Held]):
    """Living buffers by digest."""

    __slots__ = ("_on_death", "_references", "dead_refs")

    def __init__(self) -> None:
        self._references: dict[bytes, _Reference[Held]] = {}
        #: references to buffers that have died
        self.dead_refs: deque[_Reference[Held]] = deque()
        self._on_death: Callable[[Any], None] = self.dead_refs.append

    def get(self, digest: bytes) -> Held | None:
        """Return the buffer if it is alive."""
        reference = self._references.get(digest)
        return None if reference is None else reference()

    def keys(self) -> list[HexDigest]:
        """Return the checksums of the buffers that are alive at this moment."""
        # the copy is one step: other threads may add buffers during the iteration
        references = self._references.copy().values()
        return [reference.key for reference in references if reference() is not None]

    def add(self, key: HexDigest, buffer: Held) -> Held | None:
        """Add a buffer, unless the table has one with this checksum.

        Each look-up and the insertion are single steps, so no lock is needed.

        Returns
        -------
        Held or None
            The buffer that the table has now: this one or an existing one; None if the existing
            one has died, so that `replace` is needed.
        """
        digest = key._value
        reference = self._references.get(digest)
        if reference is None:
            fresh = _Reference(buffer, self._on_death)
            fresh.key = key
            reference = self._references.setdefault(digest, fresh)
            if reference is fresh:
                return buffer
        return reference()

    # -- inside the lock --------------------------------------------------------------

    def replace(self, key: HexDigest, buffer: Held) -> None:
        """Add a buffer in place of an existing one."""
        fresh = _Reference(buffer, self._on_death)
        fresh.key = key
        self._references[key._value] = fresh

    def pop(self, digest: bytes) -> None:
        """Remove a buffer, which may be alive; do nothing if it is not in the table."""
        self._references.pop(digest, None)

    def count(self) -> int:
        """Return the number of living buffers; fast while `dead_refs` is empty."""
        return len(self.keys()) if self.dead_refs else len(self._references)

    def purge_dead(self, limit: int | None = None) -> None:
        """Remove dead buffers: the first `limit` of them, or all."""
        references, dead_refs = self._references, self.dead_refs
        left = len(dead_refs) if limit is None else limit
        while left > 0 and dead_refs:
            left -= 1
            reference = dead_refs.popleft()
            digest = reference.key._value
            if references.get(digest) is reference:
                del references[digest]

    def repair(self) -> None:
        """Put all dead references into `dead_refs` again, after `purge_dead` was interrupted."""
        references = self._references.copy().values()
        self.dead_refs.extend(reference for reference in references if reference() is None)
