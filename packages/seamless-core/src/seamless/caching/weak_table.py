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

__all__ = ["WeakReference", "WeakTable"]

Held = TypeVar("Held", bound=Holder)


class WeakReference(weakref.ref[Held]):
    """A weak reference to a buffer, with the checksum of that buffer."""

    __slots__ = ("key",)

    key: HexDigest


class WeakTable(Generic[Held]):
    """Living buffers by digest."""

    __slots__ = ("dead_refs", "on_death", "references")

    def __init__(self) -> None:
        self.references: dict[bytes, WeakReference[Held]] = {}
        #: references to buffers that have died
        self.dead_refs: deque[WeakReference[Held]] = deque()
        self.on_death: Callable[[Any], None] = self.dead_refs.append

    def get(self, digest: bytes) -> Held | None:
        """Return the buffer if it is alive."""
        reference = self.references.get(digest)
        return None if reference is None else reference()

    def keys(self) -> list[HexDigest]:
        """Return the checksums of the buffers that are alive at this moment."""
        # the copy is one step: other threads may add buffers during the iteration
        references = self.references.copy().values()
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
        reference = self.references.get(digest)
        if reference is None:
            fresh = WeakReference(buffer, self.on_death)
            fresh.key = key
            reference = self.references.setdefault(digest, fresh)
            if reference is fresh:
                return buffer
        return reference()

    # -- inside the lock --------------------------------------------------------------

    def replace(self, key: HexDigest, buffer: Held) -> None:
        """Add a buffer in place of an existing one."""
        fresh = WeakReference(buffer, self.on_death)
        fresh.key = key
        self.references[key._value] = fresh

    def pop(self, digest: bytes) -> None:
        """Remove a buffer, which may be alive; do nothing if it is not in the table."""
        self.references.pop(digest, None)

    def count(self) -> int:
        """Return the number of living buffers; fast while `dead_refs` is empty."""
        return len(self.keys()) if self.dead_refs else len(self.references)

    def purge_dead(self, limit: int | None = None) -> None:
        """Remove dead buffers: the first `limit` of them, or all."""
        references, dead_refs = self.references, self.dead_refs
        # other threads only append to `dead_refs`
        count = len(dead_refs) if limit is None else min(limit, len(dead_refs))
        for _ in range(count):
            reference = dead_refs.popleft()
            digest = reference.key._value
            if references.get(digest) is reference:
                del references[digest]

    def repair(self) -> None:
        """Put all dead references into `dead_refs` again, after `purge_dead` was interrupted."""
        references = self.references.copy().values()
        self.dead_refs.extend(reference for reference in references if reference() is None)
