"""The buffer cache of this process: buffers held weakly, and strongly while referenced.

Everything here is safe from any thread, also from finalizers. Nothing is sent, read or
released while the lock is held: buffers that leave are let go after it.
"""

from __future__ import annotations

import os
import threading
import time
from typing import TYPE_CHECKING

from ..worker_role import is_worker
from .capped_store import CappedStore
from .caps import read_caps
from .critical_section import CriticalSection
from .references import StrongEntry, TempRef

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..buffer_class import Buffer
    from ..checksum_class import Checksum

__all__ = ["BufferCache", "StrongEntry", "TempRef", "get_buffer_cache"]


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
        section: CriticalSection[Checksum] = CriticalSection(self._give_back)
        super().__init__(read_caps(soft_cap, hard_cap), section, clock)

    # -- looking up -------------------------------------------------------------------

    def get(self, checksum: Checksum) -> Buffer | None:
        """Return the buffer if it is in this process, else None."""
        with self._section:
            buffer = self._here(checksum)
            if buffer is None:
                self._misses += 1
            else:
                self._hits += 1
                if (entry := self._strong.entries.get(checksum)) is not None:
                    self._strong.use(entry)
        return buffer

    def _here(self, checksum: Checksum) -> Buffer | None:
        entry = self._strong.entries.get(checksum)
        if entry is not None and entry.buffer is not None:
            return entry.buffer
        return self.weak_cache.get(checksum)

    def is_scratch_ref(self, checksum: Checksum) -> bool:
        """Tell whether the last reference to `checksum` asked not to store its buffer."""
        with self._section:
            return self._strong.is_scratch(checksum)

    # -- registering and referencing --------------------------------------------------

    def register(self, checksum: Checksum, buffer: Buffer, size: int | None = None) -> None:
        """Make a buffer findable as long as it lives, and hold it if it is referenced.

        Parameters
        ----------
        checksum, buffer
            The buffer and its checksum.
        size
            In bytes; by default the length of the buffer.
        """
        to_send = None
        shared = self._share_content(checksum, buffer)
        with self._section:
            self._know(checksum, buffer, shared)
            entry = self._strong.entries.get(checksum)
            dropped: list[Buffer] = []
            if entry is not None and entry.buffer is None:
                dropped = self._fill(checksum, buffer, size)
                to_send = None if entry.scratch or entry.stored else buffer
        del dropped
        if to_send is not None:
            _send_if_open(to_send)

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
        self._reference(checksum, buffer, scratch, None)

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
        return self._reference(checksum, buffer, scratch, asked) or asked

    def _reference(
        self, checksum: Checksum, buffer: Buffer | None, scratch: bool, asked: TempRef | None
    ) -> TempRef | None:
        """Take a reference, a counted one if `asked` is None. Sending may fail, so it is first."""
        to_send = None if scratch else self._unsent(checksum, buffer)
        if to_send is not None:
            _send(to_send)
        shared = buffer is not None and self._share_content(checksum, buffer)
        with self._section:
            entry = self._strong.entry(checksum)
            if asked is None:
                entry.normal_refs += 1
                if self._trace is not None:
                    self._trace.note(checksum)
            elif entry.tempref is None:
                entry.tempref = asked
            else:
                entry.tempref.renew(asked)
            self._strong.mark(checksum, scratch)
            if buffer is not None:
                self._know(checksum, buffer, shared)
            dropped: list[Buffer] = []
            if entry.buffer is None and (found := self.weak_cache.get(checksum)) is not None:
                dropped = self._fill(checksum, found, None)
            else:
                self._strong.requeue(checksum, self._clock())
            late = None if scratch or to_send is not None or entry.stored else entry.buffer
            tempref = entry.tempref
        del dropped
        if late is not None:  # it has been registered since we looked
            _send_if_open(late)
        return tempref

    def decref(self, checksum: Checksum) -> None:
        """Give back one `incref`; nothing happens if there is none. Safe in finalizers."""
        self._section.wish(checksum)

    def _give_back(self, checksum: Checksum) -> None:
        with self._section:
            entry = self._strong.entries.get(checksum)
            if entry is None or entry.normal_refs == 0:
                return
            entry.normal_refs -= 1
            if entry.normal_refs == 0 and self._trace is not None:
                self._trace.forget(checksum)
            self._strong.requeue(checksum, self._clock())

    def refresh_tempref(self, checksum: Checksum) -> None:
        """Let the interest of a tempref be full again; nothing happens if there is none."""
        with self._section:
            entry = self._strong.entries.get(checksum)
            if entry is not None and entry.tempref is not None:
                entry.tempref.refresh(self._clock())
                self._strong.requeue(checksum, self._clock())

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
        with self._section:
            entries = self._strong.entries
            candidates = list(entries) if checksum is None else [checksum]
            purged = [
                (candidate, entry)
                for candidate in candidates
                if (entry := entries.get(candidate)) and entry.scratch_tempref_only
            ]
            for candidate, _ in purged:
                self._strong.remove(candidate)
                self.weak_cache.pop(candidate, None)
        return len(purged)

    def note_stored(self, checksum: Checksum) -> None:
        """Remember that a write backend has a buffer: it need not be sent again."""
        with self._section:
            entry = self._strong.entries.get(checksum)
            if entry is not None and not entry.stored:
                entry.stored = True
                self._strong.requeue(checksum, self._clock())

    def _share_content(self, checksum: Checksum, buffer: Buffer) -> bool:
        """Let equal buffers be one in memory. Compares bytes, so it is outside the section."""
        elder = self.weak_cache.get(checksum)
        return elder is not None and buffer.share_content(elder)

    # -- inside the section -----------------------------------------------------------

    def _know(self, checksum: Checksum, buffer: Buffer, shared: bool) -> None:
        """Make a buffer findable, unless one that lives as long as it is known already."""
        if not shared or checksum not in self.weak_cache:
            self.weak_cache[checksum] = buffer

    def _unsent(self, checksum: Checksum, buffer: Buffer | None) -> Buffer | None:
        with self._section:
            entry = self._strong.entries.get(checksum)
            if entry is not None and entry.stored:
                return None
            return buffer if buffer is not None else self._here(checksum)

    def _fill(self, checksum: Checksum, buffer: Buffer, size: int | None) -> list[Buffer]:
        """Hold a buffer; return those that had to leave for it, never itself."""
        self._strong.fill(checksum, buffer, len(buffer) if size is None else size)
        self._strong.requeue(checksum, self._clock())
        return self._make_room(checksum)


def _send(buffer: Buffer) -> None:
    from . import buffer_writer

    buffer_writer.register(buffer)


def _send_if_open(buffer: Buffer) -> None:
    """Send what an earlier reference asked for, unless it is too late to send anything."""
    from ..shutdown import is_closed

    if not is_closed():
        _send(buffer)


#: guards the making of the one cache of this process
_instance_lock = threading.Lock()
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
    if is_worker():
        raise RuntimeError("a worker process has no buffer cache; it uses that of its parent")
    if _instance is None:
        with _instance_lock:
            if _instance is None:
                cache = BufferCache()
                os.register_at_fork(after_in_child=cache._section.renew_after_fork)
                _instance = cache
    return _instance
