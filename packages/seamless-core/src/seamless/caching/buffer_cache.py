"""`BufferCache`: the buffers of this process, referenced weakly, or strongly while referenced.

All methods may be called from any thread, and from finalizers and signal handlers. A call that
interrupts a change of the cache in its own thread is deferred until that change has ended, and
returns None, or 0 for a count. Nothing is sent or released while the lock is held.
"""

from __future__ import annotations

import contextlib
import time
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from seamless import shutdown, worker_role
from seamless.caching.counter import AtomicCounter
from seamless.caching.finalizer_lock import BROKEN, CHANGING, CLEAN, FinalizerSafeLock
from seamless.caching.holder import Holder
from seamless.caching.introspection import CacheIntrospection, ReferenceTrace, is_trace_wanted
from seamless.caching.limits import check_caps, read_caps
from seamless.caching.references import StrongEntry, TempRef
from seamless.caching.strong_table import StrongTable
from seamless.caching.weak_table import WeakReference, WeakTable
from seamless.util.locks import new_lock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from seamless.caching.cost_model import CostModel
    from seamless.util.hex_digest import HexDigest

__all__ = ["BufferCache", "StrongEntry", "TempRef", "get_buffer_cache"]

Held = TypeVar("Held", bound=Holder)

#: Dead buffers that the weak table may hold before `register` purges twice as many.
MAX_DEAD = 64
#: `on_store` of every cache that was given none; `buffer_class` sets it to the upload queue
default_on_store: Callable[[Any], object] | None = None


class BufferCache(CacheIntrospection[Held]):
    """Buffers by checksum: referenced weakly, and strongly while they have references.

    The caps limit the memory of the strongly referenced buffers. Above the soft cap, buffers with
    temprefs only are evicted, the lowest score first; above the hard cap, any buffers. Counted
    references stay, and hold the buffer again when it is registered again. Expired temprefs are
    not evicted below the soft cap.

    Parameters
    ----------
    soft_cap, hard_cap
        Bytes, or a text such as `8GiB`. By default `SEAMLESS_BUFFER_SOFT_CAP` and
        `SEAMLESS_BUFFER_HARD_CAP` of the environment, else 5 GiB and 50 GiB.
    clock
        A monotonic clock, in seconds.
    on_store
        Called with each buffer that is referenced without `scratch`; by default it is uploaded.

    Raises
    ------
    ValueError
        When a cap is not a size, or the soft cap is above the hard one.
    """

    def __init__(
        self,
        soft_cap: int | str | None = None,
        hard_cap: int | str | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        on_store: Callable[[Held], object] | None = None,
    ) -> None:
        self.soft_cap, self.hard_cap = read_caps(soft_cap, hard_cap)
        self._clock = clock
        self._on_store = on_store
        #: guards the attributes below; single steps of the weak table and counters need no lock
        self._guard = FinalizerSafeLock(self._repair)
        self._weak: WeakTable[Held] = WeakTable()
        self._strong: StrongTable[Held] = StrongTable(clock)
        self._trace = ReferenceTrace() if is_trace_wanted() else None
        #: a digest for each deferred `incref` that no `decref` has cancelled
        self._deferred: deque[bytes] = deque()
        self._hits = AtomicCounter()
        self._misses = AtomicCounter()

    # -- looking up -------------------------------------------------------------------

    def get(self, checksum: HexDigest) -> Held | None:
        """Return the buffer if it is in this process, else None.

        Takes no lock: each look-up is a single step, so the result was true during the call.
        """
        digest = checksum._value
        strong = self._strong
        entry = strong.entries.get(digest)
        if entry is not None and (buffer := entry.buffer) is not None:
            if entry.used_at == strong.turnover:  # `record_hit`, inlined
                entry.uses += 1.0
                entry.touched = True
            else:
                strong.record_hit(entry)
        elif (buffer := self._weak.get(digest)) is None:
            next(self._misses)
            return None
        next(self._hits)
        return buffer

    # -- registering and referencing --------------------------------------------------

    def register(self, checksum: HexDigest, buffer: Held, size: int | None = None) -> None:
        """Add a buffer, so that `get` finds it while it is alive; earlier references hold it now.

        Raises
        ------
        ValueError
            When `size`, in bytes, is negative.
        """
        if size is not None and size < 0:
            raise ValueError(f"the size of {checksum} is {size} bytes; it can't be negative")
        digest, weak = checksum._value, self._weak
        if (reference := weak.references.get(digest)) is None:  # `WeakTable.add`, inlined
            fresh = WeakReference(buffer, weak.on_death)
            fresh.key = checksum
            reference = weak.references.setdefault(digest, fresh)
        if (existing := reference()) is not buffer:
            self._deduplicate(checksum, buffer, existing)
        elif len(weak.dead_refs) > MAX_DEAD:
            self._guard.change(weak.purge_dead, 2 * MAX_DEAD)
        # References taken from now on find the buffer; earlier ones are seen here.
        entry = self._strong.entries.get(digest)
        if entry is not None and entry.buffer is None:
            self._guard.change(self._attach, digest, buffer, size)

    def _deduplicate(self, checksum: HexDigest, buffer: Held, existing: Held | None) -> None:
        """Share the bytes of equal buffers, or replace the existing buffer."""
        # compares the bytes, hence outside of the lock
        shared = existing is not None and buffer.adopt_content(existing)
        self._guard.change(self._add_or_replace, checksum, buffer, existing, shared)

    def incref(
        self, checksum: HexDigest, *, buffer: Held | None = None, scratch: bool = False
    ) -> None:
        """Take a counted reference; send the buffer to the write backends unless `scratch`.

        A buffer that is neither given nor in the cache may be registered later.

        Raises
        ------
        RuntimeError
            When the buffer should be stored, but Seamless has been closed.
        """
        self._reference(checksum, buffer, scratch, None, False)

    def tempref(
        self,
        checksum: HexDigest,
        *,
        buffer: Held | None = None,
        interest: float = 128.0,
        fade_factor: float = 2.0,
        fade_interval: float = 2.0,
        scratch: bool = False,
    ) -> TempRef:
        """Take a temporary reference; a second call refreshes the first. Else as `incref`.

        `interest` is divided by `fade_factor` every `fade_interval` seconds.
        """
        now = self._clock()
        tempref = TempRef(interest, fade_factor, fade_interval, now, now)
        return self._reference(checksum, buffer, scratch, tempref, False) or tempref

    def _reference(
        self,
        checksum: HexDigest,
        buffer: Held | None,
        scratch: bool,
        tempref: TempRef | None,
        is_deferred: bool,
    ) -> TempRef | None:
        """Take a reference, a counted one if `tempref` is None. Storing is first: it may fail."""
        digest = checksum._value
        is_sent = is_deferred
        if not (scratch or is_sent) and (to_send := self._unsent(digest, buffer)) is not None:
            self._store(to_send)
            is_sent = True
        strong, weak, guard = self._strong, self._weak, self._guard
        if buffer is not None and (existing := weak.add(checksum, buffer)) is not buffer:
            self._deduplicate(checksum, buffer, existing)
        with guard.lock:
            # `FinalizerSafeLock.change`, inlined: its call takes too long here
            if guard.state and not guard.may_change():
                if tempref is None:
                    self._deferred.append(digest)
                arguments = checksum, buffer, scratch, tempref, True
                guard.pending.append(partial(self._reference, *arguments))
                return None
            guard.state = CHANGING
            try:
                if is_deferred and tempref is None and not self._take_deferred(digest):
                    guard.state = CLEAN  # `decref` has cancelled it
                    return None
                if buffer is not None and len(weak.dead_refs) > MAX_DEAD:
                    weak.purge_dead(2 * MAX_DEAD)
                size = strong.size
                entry = strong.add_reference(checksum, tempref, buffer, scratch)
                if entry.buffer is None and (registered := weak.get(digest)) is not None:
                    # not looked up before: `register` sees an entry that exists, and no later one
                    strong.attach(digest, entry, registered, len(registered))
                if self._trace is not None and tempref is None:
                    self._trace.note(digest)
                late = None if scratch or is_sent or entry.stored else entry.buffer
                # `_evict` would do nothing while half of the soft cap is free
                filling = 2 * strong.size > self.soft_cap and strong.size > size
                dropped = self._evict(digest) if filling else None
                tempref = entry.tempref
            except BaseException:
                guard.state = BROKEN
                raise
            guard.state = CLEAN
        del dropped
        if guard.pending:
            guard.run_pending()
        if late is not None:  # registered after `_unsent`
            self._store_if_open(late)
        return tempref

    def decref(self, checksum: HexDigest) -> None:
        """Release one `incref`; does nothing if there is none."""
        digest = checksum._value
        guard = self._guard
        with guard.lock:
            # `FinalizerSafeLock.change`, inlined: its call takes too long here
            if guard.state and not guard.may_change():
                guard.pending.append(partial(self.decref, checksum))
                return
            guard.state = CHANGING
            try:
                entry = self._strong.entries.get(digest)
                if entry is not None and (references := entry.normal_refs):
                    entry.normal_refs = references - 1
                    if references == 1:
                        if entry.tempref is None:
                            self._strong.remove(digest, entry)
                        else:
                            self._strong.mark_dirty(digest, entry)
                        if self._trace is not None:
                            self._trace.forget(digest)
                elif self._deferred:
                    self._take_deferred(digest)
            except BaseException:
                guard.state = BROKEN
                raise
            guard.state = CLEAN
        del entry  # its buffer may die with it: outside of the lock
        if guard.pending:
            guard.run_pending()

    def refresh_tempref(self, checksum: HexDigest) -> None:
        """Restore the full interest of a tempref, if there is one."""
        self._guard.change(self._strong.refresh_tempref, checksum._value)

    def purge_scratch(self, checksum: HexDigest | None = None) -> int:
        """Remove buffers, or one, whose only reference is a scratch tempref; return their number.

        They are no longer found, even if they stay alive.
        """
        purged = self._guard.change(self._purge, None if checksum is None else checksum._value)
        return len(purged or ())

    def note_stored(self, checksum: HexDigest) -> None:
        """Record that a write backend has a buffer, so that it is not sent again."""
        self._guard.change(self._strong.mark_stored, checksum._value)

    def _store(self, buffer: Held) -> None:
        store = self._on_store or default_on_store
        if store is not None:
            store(buffer)

    def _store_if_open(self, buffer: Held) -> None:
        """Store the buffer of an earlier reference, unless Seamless has been closed since."""
        if not shutdown.is_closed():
            self._store(buffer)

    # -- limits and costs -------------------------------------------------------------

    def set_caps(self, soft: int | str | None = None, hard: int | str | None = None) -> None:
        """Change the caps, and evict buffers until they are kept.

        A cap is bytes, or a text such as `8GiB`; None keeps it unchanged. After a `ValueError`,
        as for the constructor, both are unchanged.
        """
        with self._guard.lock:
            self.soft_cap, self.hard_cap = check_caps(
                self.soft_cap if soft is None else soft, self.hard_cap if hard is None else hard
            )
        self._guard.change(self._evict)

    def run_eviction_once(self) -> tuple[int, int]:
        """Evict buffers until the caps are kept; return their number and their bytes.

        The cache does so itself. This call also removes expired temprefs without a buffer.
        """
        dropped, freed = self._guard.change(self._run_eviction) or ([], 0)
        return len(dropped), freed

    @contextlib.contextmanager
    def update_costs(self, checksum: HexDigest) -> Iterator[CostModel]:
        """Give access to the cost model; afterwards, update the rank of `checksum`."""
        yield self._strong.costs
        self._guard.change(self._strong.costs_changed, checksum._value)

    # -- with the lock held -----------------------------------------------------------

    def _unsent(self, digest: bytes, buffer: Held | None) -> Held | None:
        """Return the buffer that a reference without `scratch` has to store."""
        with self._guard.lock:
            entry = self._strong.entries.get(digest)
            if entry is not None and entry.stored:
                return None
            if buffer is None and entry is not None:
                buffer = entry.buffer
            return self._weak.get(digest) if buffer is None else buffer

    def _take_deferred(self, digest: bytes) -> bool:
        """Remove one deferred `incref`; return whether there was one."""
        try:
            self._deferred.remove(digest)
        except ValueError:
            return False
        return True

    def _attach(self, digest: bytes, buffer: Held, size: int | None) -> list[Held]:
        """Give a registered buffer to the entry that was referenced before, and store it."""
        entry = self._strong.entries.get(digest)
        if entry is None or entry.buffer is not None:
            return []
        self._strong.attach(digest, entry, buffer, len(buffer) if size is None else size)
        if not (entry.scratch or entry.stored):
            self._guard.pending.append(partial(self._store_if_open, buffer))
        return self._evict(digest)

    def _add_or_replace(
        self, checksum: HexDigest, buffer: Held, existing: Held | None, shared: bool
    ) -> None:
        """Add a buffer to the weak table after it was compared with the existing one."""
        self._weak.purge_dead(2 * MAX_DEAD)  # the existing one may have died
        found = self._weak.add(checksum, buffer)
        if found is None or (found is existing and not shared):
            self._weak.replace(checksum, buffer)
        elif found is not existing and found is not buffer:  # another thread has replaced it
            self._guard.pending.append(partial(self._deduplicate, checksum, buffer, found))

    def _purge(self, digest: bytes | None) -> list[StrongEntry[Held]]:
        purged = self._strong.remove_scratch(digest)
        for entry in purged:
            self._weak.pop(entry.key._value)
        return purged

    def _evict(self, incoming: bytes | None = None) -> list[Held]:
        """Evict buffers, except the incoming one, until the caps are kept."""
        return self._strong.evict_until_within(self.soft_cap, self.hard_cap, incoming)

    def _run_eviction(self) -> tuple[list[Held], int]:
        self._weak.purge_dead()
        self._strong.remove_expired_absent(self._clock())
        before = self._strong.size
        dropped = self._evict()
        return dropped, before - self._strong.size

    def _repair(self) -> None:
        self._strong.repair()
        self._weak.repair()


#: guards the creation of the cache of this process
_instance_lock = new_lock()
_instance: BufferCache[Any] | None = None


def get_buffer_cache() -> BufferCache[Any]:
    """Return the buffer cache of this process, created by the first call.

    Raises
    ------
    RuntimeError
        In a worker process, which uses the cache of its parent.
    ValueError
        When a cap in the environment is not a size.
    """
    global _instance  # noqa: PLW0603 - one cache for each process
    if worker_role._is_worker:
        raise RuntimeError("a worker process has no buffer cache; it uses that of its parent")
    if _instance is None:
        with _instance_lock:
            if _instance is None:
                _instance = BufferCache()
    return _instance
