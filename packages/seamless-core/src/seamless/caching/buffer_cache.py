"""The buffer cache of this process: buffers held weakly, and strongly while referenced.

Everything here is safe from any thread, and from finalizers, weak reference callbacks and
signal handlers, whatever they interrupt. One that interrupts a change of the cache can't wait
for it: what it asks for is done as soon as that change has ended, and where a call returns what
it has done, such as `purge_scratch`, it returns 0. Nothing is sent, read or released while the
lock is held: buffers that leave are let go after it.
"""

from __future__ import annotations

import time
from collections import deque
from functools import partial
from typing import TYPE_CHECKING

from seamless import worker_role
from seamless.caching.capped_store import CappedStore
from seamless.caching.finalizer_lock import BROKEN, CHANGING, CLEAN
from seamless.caching.limits import read_caps
from seamless.caching.references import StrongEntry, TempRef
from seamless.util.locks import new_lock

if TYPE_CHECKING:
    from collections.abc import Callable

    from seamless.buffer_class import Buffer
    from seamless.checksum_class import Checksum

__all__ = ["BufferCache", "StrongEntry", "TempRef", "get_buffer_cache"]

#: How many dead buffers are remembered before the next that comes clears away twice as many.
PUT_ASIDE = 64


class BufferCache(CappedStore):
    """Buffers by checksum: weakly while anybody has them, strongly while referenced.

    Memory counts what is held strongly. Above the soft cap, buffers that only a tempref
    holds leave, the least worth per byte first; above the hard cap, so do buffers held by
    `incref`, whose references stay and take hold again when the buffer comes back. A tempref
    whose interest has faded is no reason to leave while memory is below the soft cap.

    Parameters
    ----------
    soft_cap, hard_cap
        Bytes, or a text such as `8GiB`. By default `SEAMLESS_BUFFER_SOFT_CAP` and
        `SEAMLESS_BUFFER_HARD_CAP` of the environment, else 5 GiB and 50 GiB.
    clock
        Seconds that never go back.

    Raises
    ------
    ValueError
        When a cap is no size, or the soft cap is above the hard one.
    """

    def __init__(
        self,
        soft_cap: int | str | None = None,
        hard_cap: int | str | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(read_caps(soft_cap, hard_cap), clock)
        #: digests of counted references that were put off, each as often as it was
        self._promised: deque[bytes] = deque()

    # -- looking up -------------------------------------------------------------------

    def get(self, checksum: Checksum) -> Buffer | None:
        """Return the buffer if it is in this process, else None.

        Takes no lock, which would cost more than all the rest: each look-up is one step, and
        whatever other threads do in between, the answer was true at some moment of the call.
        """
        digest = checksum._value
        strong = self._strong
        entry = strong.entries.get(digest)
        if entry is not None and (buffer := entry.buffer) is not None:
            if entry.used_at == strong.turnover:  # `record_hit` without its call
                entry.uses += 1.0
                entry.touched = True
            else:
                strong.record_hit(entry)
        elif (buffer := self._weak.get(digest)) is None:
            next(self._misses)
            return None
        next(self._hits)
        return buffer

    def is_scratch_ref(self, checksum: Checksum) -> bool:
        """Tell whether the last reference to `checksum` asked not to store its buffer."""
        with self._section.lock:
            return self._strong.is_scratch(checksum._value)

    # -- registering and referencing --------------------------------------------------

    def register(self, checksum: Checksum, buffer: Buffer, size: int | None = None) -> None:
        """Make a buffer findable as long as it lives, and hold it if it is referenced.

        Parameters
        ----------
        checksum, buffer
            The buffer and its checksum.
        size
            In bytes; by default the length of the buffer.

        Raises
        ------
        ValueError
            When `size` is negative.
        """
        if size is not None and size < 0:
            raise ValueError(f"the size of {checksum} is {size} bytes; it can't be negative")
        digest = checksum._value
        weak = self._weak
        if (existing := weak.add(digest, buffer)) is not buffer:
            self._join(digest, buffer, existing)
        elif len(weak.dead_refs) > PUT_ASIDE:
            self._section.change(weak.purge_dead, 2 * PUT_ASIDE)
        # Whoever references it from now on finds it; who has waited for it is seen here.
        entry = self._strong.entries.get(digest)
        if entry is not None and entry.buffer is None:
            self._section.change(self._fill_waiting, digest, buffer, size)

    def _join(self, digest: bytes, buffer: Buffer, existing: Buffer | None) -> None:
        """Let equal buffers be one in memory, or a buffer take the place of another."""
        # compares the bytes, so it is outside of the lock
        shared = existing is not None and buffer.adopt_content(existing)
        self._section.change(self._add_or_replace, digest, buffer, existing, shared)

    def incref(
        self, checksum: Checksum, *, buffer: Buffer | None = None, scratch: bool = False
    ) -> None:
        """Hold a buffer until `decref`, and have it stored unless `scratch`.

        Parameters
        ----------
        checksum
            May be that of a buffer that comes later.
        buffer
            The buffer, where the caller has it.
        scratch
            If true, the buffer is not sent to a write backend.

        Raises
        ------
        RuntimeError
            When the buffer is here and should be stored, but Seamless has been closed.
        """
        self._reference(checksum._value, buffer, scratch, None)

    def tempref(
        self,
        checksum: Checksum,
        *,
        buffer: Buffer | None = None,
        interest: float = 128.0,
        fade_factor: float = 2.0,
        fade_interval: float = 2.0,
        scratch: bool = False,
    ) -> TempRef:
        """Hold a buffer with an interest that fades; a second call refreshes the first.

        Parameters
        ----------
        checksum, buffer, scratch
            As for `incref`.
        interest, fade_factor, fade_interval
            The interest now, and by what it is divided every so many seconds.

        Raises
        ------
        RuntimeError
            As for `incref`.
        """
        now = self._clock()
        asked = TempRef(interest, fade_factor, fade_interval, now, now)
        return self._reference(checksum._value, buffer, scratch, asked) or asked

    def _reference(
        self,
        digest: bytes,
        buffer: Buffer | None,
        scratch: bool,
        asked: TempRef | None,
        *,
        is_put_off: bool = False,
    ) -> TempRef | None:
        """Take a reference, a counted one if `asked` is None. Sending may fail, so it is first."""
        is_sent = is_put_off
        if not (scratch or is_sent) and (to_send := self._unsent(digest, buffer)) is not None:
            _send(to_send)
            is_sent = True
        if buffer is not None and (existing := self._weak.add(digest, buffer)) is not buffer:
            self._join(digest, buffer, existing)
        strong, section = self._strong, self._section
        with section.lock:
            # `section.change`, spelled out because its call takes too long here
            if section.state and not section.may_change():
                if asked is None:
                    self._promised.append(digest)
                again = partial(self._reference, digest, buffer, scratch, asked, is_put_off=True)
                section.pending.append(again)
                return None
            section.state = CHANGING
            try:
                if is_put_off and asked is None and not self._take_promise(digest):
                    section.state = CLEAN  # `decref` has come before
                    return None
                if buffer is not None and len(self._weak.dead_refs) > PUT_ASIDE:
                    self._weak.purge_dead(2 * PUT_ASIDE)
                before = strong.size
                found = self._weak.get(digest) if buffer is None else buffer
                entry = strong.add_reference(digest, asked, found, scratch)
                if entry.buffer is None and (late_comer := self._weak.get(digest)) is not None:
                    # registered after we looked, by one who looked before there was an entry
                    strong.attach(digest, entry, late_comer, len(late_comer))
                if self._trace is not None and asked is None:
                    self._trace.note(digest)
                late = None if scratch or is_sent or entry.stored else entry.buffer
                grown = strong.size > before
                dropped = self._make_room(digest) if grown else None
                tempref = entry.tempref
            except BaseException:
                section.state = BROKEN
                raise
            section.state = CLEAN
        del dropped
        if section.pending:
            section.run_pending()
        if late is not None:  # it has been registered since we looked
            _send_if_open(late)
        return tempref

    def decref(self, checksum: Checksum) -> None:
        """Give back one `incref`; nothing happens if there is none."""
        digest = checksum._value
        section = self._section
        with section.lock:
            # `section.change`, spelled out because its call takes too long here
            if section.state and not section.may_change():
                section.pending.append(partial(self.decref, checksum))
                return
            section.state = CHANGING
            try:
                entry = self._strong.entries.get(digest)
                if entry is not None and entry.normal_refs:
                    entry.normal_refs -= 1
                    if entry.normal_refs == 0:
                        if entry.tempref is None:
                            self._strong.remove(digest, entry)
                        else:
                            self._strong.change(digest, entry)
                        if self._trace is not None:
                            self._trace.forget(digest)
                elif self._promised:
                    self._take_promise(digest)
            except BaseException:
                section.state = BROKEN
                raise
            section.state = CLEAN
        del entry  # outside of the lock, since its buffer may go with it
        if section.pending:
            section.run_pending()

    def refresh_tempref(self, checksum: Checksum) -> None:
        """Let the interest of a tempref be full again; nothing happens if there is none."""
        self._section.change(self._refresh, checksum._value)

    def purge_scratch(self, checksum: Checksum | None = None) -> int:
        """Forget what only a scratch tempref holds, even where the buffer object lives on.

        Parameters
        ----------
        checksum
            Which one; by default all.

        Returns
        -------
        int
            How many were forgotten.
        """
        purged = self._section.change(self._purge, None if checksum is None else checksum._value)
        return len(purged or ())

    def note_stored(self, checksum: Checksum) -> None:
        """Remember that a write backend has a buffer: it need not be sent again."""
        self._section.change(self._note_stored, checksum._value)

    # -- with the lock held -----------------------------------------------------------

    def _unsent(self, digest: bytes, buffer: Buffer | None) -> Buffer | None:
        """Return what a reference that is not scratch asks to send."""
        with self._section.lock:
            entry = self._strong.entries.get(digest)
            if entry is not None and entry.stored:
                return None
            if buffer is None and entry is not None:
                buffer = entry.buffer
            return self._weak.get(digest) if buffer is None else buffer

    def _take_promise(self, digest: bytes) -> bool:
        """Tell whether a counted reference was put off and not given back; forget that."""
        try:
            self._promised.remove(digest)
        except ValueError:
            return False
        return True

    def _fill_waiting(self, digest: bytes, buffer: Buffer, size: int | None) -> list[Buffer]:
        """Let those who wait for a buffer have it, and what it is stored for."""
        entry = self._strong.entries.get(digest)
        if entry is None or entry.buffer is not None:
            return []
        self._strong.attach(digest, entry, buffer, len(buffer) if size is None else size)
        if not (entry.scratch or entry.stored):
            self._section.pending.append(partial(_send_if_open, buffer))
        return self._make_room(digest)

    def _add_or_replace(
        self, digest: bytes, buffer: Buffer, existing: Buffer | None, shared: bool
    ) -> None:
        """Make a buffer findable that was compared with `existing`, which was found before it."""
        self._weak.purge_dead(2 * PUT_ASIDE)  # the elder may be among the dead
        found = self._weak.add(digest, buffer)
        if found is None or (found is existing and not shared):
            self._weak.replace(digest, buffer)
        elif found is not existing and found is not buffer:  # another came first
            self._section.pending.append(partial(self._join, digest, buffer, found))

    def _refresh(self, digest: bytes) -> None:
        entry = self._strong.entries.get(digest)
        if entry is not None and entry.tempref is not None:
            entry.tempref.refresh(self._clock())
            self._strong.change(digest, entry)

    def _purge(self, digest: bytes | None) -> list[StrongEntry]:
        entries = self._strong.entries
        purged = []
        for candidate in list(entries) if digest is None else [digest]:
            entry = entries.get(candidate)
            if entry is not None and entry.scratch_tempref_only:
                self._strong.remove(candidate, entry)
                self._weak.pop(candidate)
                purged.append(entry)
        return purged

    def _note_stored(self, digest: bytes) -> None:
        entry = self._strong.entries.get(digest)
        if entry is not None and not entry.stored:
            entry.stored = True
            self._strong.change(digest, entry)


def _send(buffer: Buffer) -> None:
    from seamless.caching import buffer_writer

    buffer_writer.register(buffer)


def _send_if_open(buffer: Buffer) -> None:
    """Send what an earlier reference asked for, unless it is too late to send anything."""
    from seamless.shutdown import is_closed

    if not is_closed():
        _send(buffer)


#: guards the making of the one cache of this process
_instance_lock = new_lock()
_instance: BufferCache | None = None


def get_buffer_cache() -> BufferCache:
    """Return the one buffer cache of this process, made on first use.

    Raises
    ------
    RuntimeError
        In a worker process, which uses the cache of its parent.
    ValueError
        When a cap of the environment is no size.
    """
    global _instance  # noqa: PLW0603 - the one cache of this process
    if worker_role._is_worker:
        raise RuntimeError("a worker process has no buffer cache; it uses that of its parent")
    if _instance is None:
        with _instance_lock:
            if _instance is None:
                _instance = BufferCache()
    return _instance
