"""The writing out of buffers in the background: published functions over one `UploadQueue`.

A buffer is queued when something takes a reference to it that is not scratch, and a write
backend is configured; without one nothing is queued, and everything here returns at once.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from seamless.util.locks import new_lock

if TYPE_CHECKING:
    from seamless.caching.holder import Holder
    from seamless.caching.upload_queue import Upload, UploadQueue
    from seamless.util.hex_digest import HexDigest

__all__ = ["await_existing_task", "flush", "init", "purge", "register", "write"]

#: Checksums that one message names.
NAMED_AT_MOST = 20
#: Seconds that `finish` waits at least, and bytes a second that a slow server takes.
FINISH_SECONDS = 3.0
SLOW_UPLOAD = 10e6
#: Seconds that the thread gets for closing its sessions.
DISMISS_SECONDS = 1.0


def register(buffer: Holder) -> None:
    """Queue a buffer for the write backends.

    Raises
    ------
    RuntimeError
        After `seamless.close()`.
    """
    from seamless import remote, shutdown

    # what goes to a server may not be lost for want of a close; files are written at exit anyway
    shutdown.ensure_open("writing out a buffer", mark_required=remote.has_write_server())
    if remote.can_write():
        _queue().add(buffer.get_checksum(), buffer)


async def await_existing_task(checksum: HexDigest) -> bool | None:
    """Wait for the upload of a buffer, if one has been queued and not ended.

    Returns
    -------
    bool or None
        Whether the buffer is stored now; None when no upload was under way.

    Raises
    ------
    Exception
        What the write backend raised.
    """
    import asyncio

    outcome = _queue().outcome(checksum) if _is_used() else None
    if outcome is None:
        return None
    return await asyncio.wrap_future(outcome)


async def write(buffer: Holder) -> bool:
    """Have a buffer stored now, and tell whether a write backend has it.

    Raises
    ------
    RuntimeError
        After `seamless.close()`.
    Exception
        What the write backend raised.
    """
    from seamless import remote, shutdown

    shutdown.ensure_open("writing out a buffer", mark_required=remote.has_write_server())
    checksum = await buffer.get_checksum_async()
    outcome = await await_existing_task(checksum)
    return await remote.write(buffer) if outcome is None else outcome


def flush(timeout: float | None = None) -> None:
    """Wait until everything that is queued has been sent; never raises.

    What failed before is tried once more. What fails again is told on stderr, once, and
    kept for the next `flush`.

    Parameters
    ----------
    timeout
        In seconds; None for as long as it takes.
    """
    if _is_used() and not _queue().drain(timeout):
        _report(unreported_failures(under_way=False))


def init() -> None:
    """Start sending what is queued. Done by `register` itself; kept for those who call it."""
    if _is_used():
        _queue().start()


def purge() -> None:
    """Forget what is queued and not yet being sent, and what has failed."""
    if _is_used():
        _queue().purge()


def finish() -> None:
    """Send what can still be sent, as long as the uploads make progress."""
    if not _is_used():
        return
    queue = _queue()
    for patience in (1.0, 2.0):
        left = math.inf
        # many small buffers take longer than their bytes suggest
        while (unsent := len(queue.unsent())) and unsent < left:
            left = unsent
            queue.drain(patience * (FINISH_SECONDS + queue.pending_bytes() / SLOW_UPLOAD))
    queue.join(DISMISS_SECONDS)


def finish_at_exit() -> None:
    """Do what `finish` does, and tell of failures on stderr."""
    try:
        finish()
    finally:  # also after Ctrl-C
        _report(unreported_failures())


def unreported_failures(*, under_way: bool = True) -> list[Upload]:
    """Return the uploads that are not done and have not been told of; from now on they are.

    Those that have not failed, but take long, are `under_way`.
    """
    if not _is_used():
        return []
    unsent = [upload for upload in _queue().unsent() if not upload.reported]
    uploads = [upload for upload in unsent if under_way or upload.error is not None]
    for upload in uploads:
        upload.reported = True
    return uploads


def _report(uploads: list[Upload]) -> None:
    if uploads:
        from seamless import shutdown_steps

        shutdown_steps.write_stderr(f"[seamless] {describe(uploads)}")


def describe(uploads: list[Upload]) -> str:
    """Say in one line which buffers could not be written, and why the first of them."""
    names = ", ".join(upload.checksum.hex() for upload in uploads[:NAMED_AT_MOST])
    more = f" and {len(uploads) - NAMED_AT_MOST} more" if len(uploads) > NAMED_AT_MOST else ""
    error = uploads[0].error
    why = "no answer in time" if error is None else f"{type(error).__name__}: {error}"
    noun = "1 buffer" if len(uploads) == 1 else f"{len(uploads)} buffers"
    return f"{noun} could not be written ({why}): {names}{more}"


def _is_used() -> bool:
    return _instance is not None


#: guards the making of the one queue of this process
_instance_lock = new_lock()
_instance: UploadQueue | None = None


def _queue() -> UploadQueue:
    """Make the one queue of this process with the first buffer that is queued."""
    global _instance  # noqa: PLW0603 - the one queue of this process
    if _instance is None:
        from seamless.caching.upload_queue import UploadQueue

        with _instance_lock:
            if _instance is None:
                _instance = UploadQueue(_send, _on_exit)
    return _instance


async def _send(buffer: Holder) -> bool:
    from seamless import remote, shutdown
    from seamless.caching import buffer_cache

    # what was accepted while Seamless was open is also sent while it closes
    with shutdown.exempt_from_closing():
        stored = await remote.write(buffer)
    if stored:
        buffer_cache.get_buffer_cache().note_stored(buffer.get_checksum())
    return stored


def _on_exit() -> None:
    from seamless import remote

    remote.close_sessions_of_this_thread()
