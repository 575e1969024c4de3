"""`UploadQueue`: pending uploads of buffers, and the background thread that sends them.

The thread starts with the first buffer, sends several batches at a time, and ends after it has
been idle for a while; the next buffer starts another thread. Failed uploads are kept, and `drain`
retries them. The result of an upload is a future that belongs to no event loop, so that any number
of loops can wait for it.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import math
import socket
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from seamless.util.locks import call_after_fork, new_lock
from seamless.util.run_sync import settle_tasks

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from seamless.caching.holder import Holder
    from seamless.util.hex_digest import HexDigest


__all__ = ["Upload", "UploadQueue"]

#: Concurrent batches.
MAX_CONCURRENT = 16
#: Bytes from which a batch gets no further buffer.
MAX_BATCH_BYTES = 1 << 20
#: Seconds without uploads after which the thread ends.
IDLE_SECONDS = 2.0


@dataclass(eq=False)
class Upload:
    """One pending or failed upload."""

    checksum: HexDigest
    buffer: Holder
    outcome: concurrent.futures.Future[bool] = field(default_factory=concurrent.futures.Future)
    error: Exception | None = None
    reported: bool = False

    def __post_init__(self) -> None:
        # a caller whose wait is cancelled must not cancel the upload
        self.outcome.set_running_or_notify_cancel()


class _Loop(asyncio.SelectorEventLoop):
    """An event loop that resolves host names itself: at interpreter exit no executor does."""

    async def getaddrinfo(self, *args: Any, **kwargs: Any) -> Any:
        return socket.getaddrinfo(*args, **kwargs)


class UploadQueue:
    """Pending uploads, at most one for each checksum. Thread-safe.

    Parameters
    ----------
    send
        Sends a batch of buffers and returns for each whether it is stored now, or the error. Runs
        in the queue's thread.
    on_thread_exit
        Called in the queue's thread before its event loop ends.
    batch_size
        Returns how many buffers one call of `send` gets, at most.
    """

    def __init__(
        self,
        send: Callable[[list[Any]], Awaitable[Sequence[bool | Exception]]],
        on_thread_exit: Callable[[], None],
        batch_size: Callable[[], int] = lambda: 1,
    ) -> None:
        self._send = send
        self._on_thread_exit = on_thread_exit
        self._batch_size = batch_size
        #: guards every attribute below
        self._lock = new_lock()
        self.reset_after_fork()
        call_after_fork(self)

    def reset_after_fork(self) -> None:
        """Start empty: the parent process has the thread, and sends the queued buffers."""
        #: notified when an upload ends
        self._changed = threading.Condition(self._lock)
        self._pending: dict[HexDigest, Upload] = {}
        self._waiting: deque[Upload] = deque()
        self._failed: dict[HexDigest, Upload] = {}
        self._thread: threading.Thread | None = None
        self._wake: Callable[[], object] | None = None
        #: whether the thread will look for waiting uploads again
        self._is_woken = False
        self._is_joining = False

    # -- state ------------------------------------------------------------------------

    def outcome(self, checksum: HexDigest) -> concurrent.futures.Future[bool] | None:
        """Return the future of a pending upload, else None."""
        upload = self._pending.get(checksum)
        return None if upload is None else upload.outcome

    def pending_bytes(self) -> int:
        """Return the bytes of pending and failed uploads."""
        with self._lock:
            uploads = [*self._pending.values(), *self._failed.values()]
        return sum(len(upload.buffer) for upload in uploads)

    def unsent(self) -> list[Upload]:
        """Return the failed uploads, then the pending ones."""
        with self._lock:
            return [*self._failed.values(), *self._pending.values()]

    # -- queueing ---------------------------------------------------------------------

    def add(self, checksum: HexDigest, buffer: Holder) -> None:
        """Queue a buffer, unless its upload is pending."""
        with self._lock:
            if checksum in self._pending:
                return
            self._enqueue(Upload(checksum, buffer))
            self._failed.pop(checksum, None)
        self._call_thread()

    def start(self) -> None:
        """Start the thread if uploads are pending and no thread runs."""
        with self._lock:
            idle = not self._pending
        if not idle:
            self._call_thread()

    def purge(self) -> None:
        """Remove failed uploads and those that have not started; their futures return False."""
        with self._lock:
            self._failed.clear()
            # ended before they are removed: an interrupt leaves uploads that are still sent
            for upload in list(self._waiting):
                self._end(upload, stored=False)
            self._waiting.clear()

    def drain(self, timeout: float | None = None) -> bool:
        """Wait until no upload is pending; retry failed uploads once.

        Parameters
        ----------
        timeout
            In seconds; None for as long as it takes.

        Returns
        -------
        bool
            Whether all buffers have been sent.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        with self._lock:
            for failed in list(self._failed.values()):
                if failed.checksum not in self._pending:
                    self._enqueue(Upload(failed.checksum, failed.buffer, reported=failed.reported))
                self._failed.pop(failed.checksum, None)
            if self._thread is threading.current_thread():
                return False  # the thread can't wait for itself
        self.start()
        with self._lock:
            while self._pending:
                left = None if deadline is None else deadline - time.monotonic()
                if left is not None and left <= 0:
                    break
                self._changed.wait(left)
            return not (self._pending or self._failed)

    def join(self, timeout: float) -> None:
        """Let the thread end as soon as it is idle, and wait for its end."""
        with self._lock:
            thread = self._thread
            self._is_joining = thread is not None
            if self._wake is not None:
                self._wake()
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout)

    def _enqueue(self, upload: Upload) -> None:
        # in this order: after an interrupt between the two, no pending upload is never sent
        self._waiting.append(upload)
        self._pending[upload.checksum] = upload

    # -- sending ----------------------------------------------------------------------

    def _call_thread(self) -> None:
        """Wake or start the thread; if no thread can start, run the uploads in this one."""
        with self._lock:
            if self._thread is not None:
                if self._wake is not None and not self._is_woken:
                    self._wake()
                    self._is_woken = True
                return
            thread = threading.Thread(target=self._work, name="seamless-writer", daemon=True)
            try:
                thread.start()
            except RuntimeError:  # the interpreter is shutting down
                pass
            else:
                return
        self._work(idle_seconds=0.0)

    def _work(self, idle_seconds: float = IDLE_SECONDS) -> None:
        with self._lock:
            # set here: after an interrupted `start`, it is unknown whether the thread runs; of two
            # that were started, the second may begin when the first has sent everything and ended
            if self._thread is not None or not self._pending:
                return
            self._thread = threading.current_thread()
        loop = _Loop()
        sending = loop.create_task(self._send_until_idle(loop, idle_seconds))
        try:
            while not sending.done():
                try:
                    loop.run_until_complete(sending)
                except (SystemExit, KeyboardInterrupt):
                    # raised by a task that a backend has started; the uploads continue
                    if threading.current_thread() is threading.main_thread():
                        raise  # in this thread it may be Ctrl-C
            loop.run_until_complete(loop.shutdown_asyncgens())
        finally:
            self._fail_pending()
            loop.close()

    async def _send_until_idle(self, loop: _Loop, idle_seconds: float) -> None:
        wake = asyncio.Event()
        with self._lock:
            self._wake = lambda: loop.call_soon_threadsafe(wake.set)
        tasks: set[asyncio.Task[None]] = set()
        while True:
            wake.clear()
            with self._lock:
                self._is_woken = False
            while len(tasks) < MAX_CONCURRENT and (batch := self._next()):
                task = loop.create_task(self._send_together(batch))
                tasks.add(task)
                task.add_done_callback(tasks.discard)
                task.add_done_callback(lambda _: wake.set())
            try:
                timeout = 0.0 if self._is_joining else idle_seconds
                await asyncio.wait_for(wake.wait(), None if tasks else timeout)
            except asyncio.TimeoutError:
                if self._stop_if_idle():
                    break
        self._on_thread_exit()
        await settle_tasks()

    def _next(self) -> list[Upload]:
        """Take the next batch: no more than leaves as many for each other concurrent one."""
        batch: list[Upload] = []
        size, limit = 0, 1
        with contextlib.suppress(Exception):  # `send` raises it again, and the upload has failed
            limit = max(limit, self._batch_size())
        with self._lock:
            limit = min(limit, math.ceil(len(self._waiting) / MAX_CONCURRENT))
            while len(batch) < limit and size < MAX_BATCH_BYTES:
                batch.append(self._waiting.popleft())
                size += len(batch[-1].buffer)
        return batch

    def _stop_if_idle(self) -> bool:
        """Deregister the thread, unless an upload has been queued meanwhile."""
        with self._lock:
            if self._waiting:
                return False
            self._thread = self._wake = None
            self._is_joining = False
            return True

    def _fail_pending(self) -> None:
        """Fail the pending uploads if the thread ends otherwise than by `_stop_if_idle`."""
        with self._lock:
            if self._thread is not threading.current_thread():
                return  # `_stop_if_idle` was called; another thread may be running
            self._thread = self._wake = None
            uploads = list(self._pending.values())
            self._waiting.clear()
        for upload in uploads:
            upload.error = RuntimeError("the thread that sends buffers was stopped")
            self._end(upload, stored=False)

    async def _send_together(self, batch: list[Upload]) -> None:
        outcomes: list[tuple[Upload, bool | Exception]] = []
        try:
            stored = await self._send([upload.buffer for upload in batch])
            outcomes = list(zip(batch, stored, strict=True))
        except (asyncio.CancelledError, concurrent.futures.CancelledError) as error:
            # callers that wait for the upload must not take this for their own cancellation
            failure = RuntimeError("the backend cancelled the upload")
            failure.__cause__ = error
            outcomes = [(upload, failure) for upload in batch]
        except Exception as error:  # noqa: BLE001 - a backend may raise anything
            outcomes = [(upload, error) for upload in batch]
        except BaseException as error:
            failure = RuntimeError(f"the upload was stopped by {error!r}")
            failure.__cause__ = error
            outcomes = [(upload, failure) for upload in batch]
            if threading.current_thread() is threading.main_thread():
                raise  # in this thread it may be Ctrl-C
        finally:
            for upload, outcome in outcomes:
                upload.error = outcome if isinstance(outcome, Exception) else None
                self._end(upload, stored=outcome is True)

    def _end(self, upload: Upload, stored: bool) -> None:
        with self._lock:
            if upload.outcome.done():
                return  # `_fail_pending` has ended it
            if upload.error is not None:
                self._failed[upload.checksum] = upload
            if self._pending.get(upload.checksum) is upload:
                del self._pending[upload.checksum]
            self._changed.notify_all()
        if upload.error is None:
            upload.outcome.set_result(stored)
        else:
            upload.outcome.set_exception(upload.error)
