"""Background upload of referenced buffers: module functions over one `UploadQueue`.

A reference without `scratch` queues its buffer if a write backend is configured. Without one,
nothing is queued, and all functions return at once.

`upload_queue` has the queue, and the background thread that sends several buffers at a time. It
keeps a failed upload and retries it at the next `flush` or at exit. An upload to a hashserver fails
only after `stores.hashserver` has retried its requests.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from seamless.util.locks import new_lock

if TYPE_CHECKING:
    from collections.abc import Sequence

    from seamless.caching.holder import Holder
    from seamless.caching.upload_queue import Upload, UploadQueue
    from seamless.util.hex_digest import HexDigest

__all__ = ["await_existing_task", "flush", "init", "purge", "register", "write"]

#: Checksums that one message lists.
MAX_NAMED = 20
#: Seconds that `shutdown` waits at least, plus the time for the bytes at this rate.
MIN_SHUTDOWN_SECONDS = 3.0
MIN_BYTES_PER_SECOND = 10e6
#: Seconds that the thread has for closing its sessions.
JOIN_SECONDS = 1.0


def register(buffer: Holder) -> None:
    """Queue a buffer for the write backends.

    Raises
    ------
    RuntimeError
        After `seamless.close()`.
    """
    from seamless import remote
    from seamless.shutdown import ensure_open

    # uploads to a server need a `close` before exit; files are written at exit in any case
    ensure_open("writing out a buffer", mark_required=remote.has_write_server())
    if remote.can_write():
        _queue().add(buffer.get_checksum(), buffer)


async def await_existing_task(checksum: HexDigest) -> bool | None:
    """Wait for the upload of a buffer, if one is pending.

    Returns
    -------
    bool or None
        Whether the buffer is stored now; None when no upload was pending.

    Raises
    ------
    Exception
        The error of the write backend.
    """
    import asyncio

    outcome = _queue().outcome(checksum) if _is_used() else None
    if outcome is None:
        return None
    return await asyncio.wrap_future(outcome)


async def write(buffer: Holder) -> bool:
    """Store a buffer now; return whether a write backend has it.

    Raises
    ------
    RuntimeError
        After `seamless.close()`.
    Exception
        The error of the write backend.
    """
    from seamless import remote
    from seamless.shutdown import ensure_open

    ensure_open("writing out a buffer", mark_required=remote.has_write_server())
    checksum = await buffer.get_checksum_async()
    outcome = await await_existing_task(checksum)
    return await remote.write(buffer) if outcome is None else outcome


def flush(timeout: float | None = None) -> None:
    """Wait until all queued buffers have been sent; never raises.

    Failed uploads are retried once. Those that fail again are reported on stderr, once, and kept
    for the next `flush`.

    Parameters
    ----------
    timeout
        In seconds; None for as long as it takes.
    """
    if _is_used() and not _queue().drain(timeout):
        _report(unreported_failures(pending=False))


def init() -> None:
    """Start the uploads. `register` does so itself; kept for published callers."""
    if _is_used():
        _queue().start()


def purge() -> None:
    """Remove the queued buffers whose upload has not started, and the failed ones."""
    if _is_used():
        _queue().purge()


def shutdown() -> None:
    """Send the queued buffers, as long as the uploads make progress, and stop the thread."""
    if not _is_used():
        return
    queue = _queue()
    for factor in (1.0, 2.0):
        left = math.inf
        # repeated, because many small buffers take longer than their bytes suggest
        while (unsent := len(queue.unsent())) and unsent < left:
            left = unsent
            seconds = MIN_SHUTDOWN_SECONDS + queue.pending_bytes() / MIN_BYTES_PER_SECOND
            queue.drain(factor * seconds)
    queue.join(JOIN_SECONDS)


def shutdown_at_exit() -> None:
    """Do what `shutdown` does, and report failures on stderr."""
    try:
        shutdown()
    finally:  # also after KeyboardInterrupt
        _report(unreported_failures())


def unreported_failures(*, pending: bool = True) -> list[Upload]:
    """Return the unfinished uploads that were not returned before, and mark them as reported.

    With `pending`, uploads that have not failed are included.
    """
    if not _is_used():
        return []
    unsent = [upload for upload in _queue().unsent() if not upload.reported]
    uploads = [upload for upload in unsent if pending or upload.error is not None]
    for upload in uploads:
        upload.reported = True
    return uploads


def _report(uploads: list[Upload]) -> None:
    if uploads:
        from seamless import shutdown_steps

        shutdown_steps.write_stderr(f"[seamless] {describe(uploads)}")


def describe(uploads: list[Upload]) -> str:
    """Return one line with the checksums that could not be written and the first error."""
    names = ", ".join(upload.checksum.hex() for upload in uploads[:MAX_NAMED])
    more = f" and {len(uploads) - MAX_NAMED} more" if len(uploads) > MAX_NAMED else ""
    error = uploads[0].error
    why = "no answer in time" if error is None else f"{type(error).__name__}: {error}"
    noun = "1 buffer" if len(uploads) == 1 else f"{len(uploads)} buffers"
    return f"{noun} could not be written ({why}): {names}{more}"


def _is_used() -> bool:
    return _instance is not None


#: guards the creation of the queue of this process
_instance_lock = new_lock()
_instance: UploadQueue | None = None


def _queue() -> UploadQueue:
    """Return the queue of this process, created by the first buffer."""
    global _instance  # noqa: PLW0603 - one queue for each process
    if _instance is None:
        from seamless.caching.upload_queue import UploadQueue

        with _instance_lock:
            if _instance is None:
                from seamless import remote

                _instance = UploadQueue(_send, _on_exit, remote.batch_size)
    return _instance


async def _send(buffers: Sequence[Holder]) -> list[bool | Exception]:
    from seamless import remote
    from seamless.caching import buffer_cache
    from seamless.shutdown import exempt_from_closing

    # buffers that were accepted while Seamless was open are also sent while it closes
    with exempt_from_closing():
        outcomes = await remote.write_together(buffers)
    for buffer, outcome in zip(buffers, outcomes, strict=True):
        if outcome is True:
            buffer_cache.get_buffer_cache().note_stored(buffer.get_checksum())
    return outcomes


def _on_exit() -> None:
    from seamless import remote

    remote.close_sessions_of_this_thread()
