"""A queue of buffers on their way out, and the one thread that sends them.

The thread starts with the first buffer, sends several at a time, and ends when there has been
nothing to do for a while; the next buffer starts another. A buffer that could not be sent is
kept, and tried again by `drain`. Whoever waits for an upload waits for a future that belongs
to no event loop, so any number of loops may wait for the same one.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import socket
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from seamless.util.locks import call_after_fork, new_lock
from seamless.util.run_sync import settle_tasks

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from seamless.caching.holder import Holder
    from seamless.util.hex_digest import HexDigest


__all__ = ["Upload", "UploadQueue"]

#: How many uploads are under way at a time.
PARALLEL = 16
#: Seconds without work after which the thread ends.
IDLE_SECONDS = 2.0


@dataclass(eq=False)
class Upload:
    """One buffer on its way out."""

    checksum: HexDigest
    buffer: Holder
    outcome: concurrent.futures.Future[bool] = field(default_factory=concurrent.futures.Future)
    error: Exception | None = None
    reported: bool = False

    def __post_init__(self) -> None:
        # a waiter that is cancelled must not cancel the upload
        self.outcome.set_running_or_notify_cancel()


class _Loop(asyncio.SelectorEventLoop):
    """An event loop that looks names up itself: at interpreter exit no executor does."""

    async def getaddrinfo(self, *args: Any, **kwargs: Any) -> Any:
        return socket.getaddrinfo(*args, **kwargs)


class UploadQueue:
    """Buffers on their way out, each at most once. Safe from any thread.

    Parameters
    ----------
    send
        Sends one buffer, and tells whether it is stored now. Runs in the queue's thread.
    leave
        Called in the queue's thread before its event loop ends.
    """

    def __init__(self, send: Callable[[Any], Awaitable[bool]], leave: Callable[[], None]) -> None:
        self._send = send
        self._on_thread_exit = leave
        #: guards every attribute below
        self._lock = new_lock()
        self.reset_after_fork()
        call_after_fork(self)

    def reset_after_fork(self) -> None:
        """Begin empty: what is queued is the parent's to send, and so is its thread."""
        #: notified whenever an upload ends
        self._changed = threading.Condition(self._lock)
        self._pending: dict[HexDigest, Upload] = {}
        self._waiting: deque[Upload] = deque()
        self._failed: dict[HexDigest, Upload] = {}
        self._thread: threading.Thread | None = None
        self._wake: Callable[[], object] | None = None
        self._dismissed = False

    # -- asking -----------------------------------------------------------------------

    def outcome(self, checksum: HexDigest) -> concurrent.futures.Future[bool] | None:
        """Return the outcome of an upload that has been queued and not ended, else None."""
        upload = self._pending.get(checksum)
        return None if upload is None else upload.outcome

    def pending_bytes(self) -> int:
        """Return the size of what is not sent yet, the failed included."""
        with self._lock:
            uploads = [*self._pending.values(), *self._failed.values()]
        return sum(len(upload.buffer) for upload in uploads)

    def unsent(self) -> list[Upload]:
        """Return what is not sent yet: failed uploads first, then those under way."""
        with self._lock:
            return [*self._failed.values(), *self._pending.values()]

    # -- queueing ---------------------------------------------------------------------

    def add(self, checksum: HexDigest, buffer: Holder) -> None:
        """Queue a buffer, unless it is under way already."""
        with self._lock:
            if checksum in self._pending:
                return
            self._enqueue(Upload(checksum, buffer))
            self._failed.pop(checksum, None)
        self._call_thread()

    def start(self) -> None:
        """See to it that what is queued is being sent."""
        with self._lock:
            idle = not self._pending
        if not idle:
            self._call_thread()

    def purge(self) -> None:
        """Forget what has not begun and what has failed; who waits for it learns False."""
        with self._lock:
            self._failed.clear()
            # ended first: what an interrupt leaves waiting is sent, and nobody waits for it
            for upload in list(self._waiting):
                self._end(upload, stored=False)
            self._waiting.clear()

    def drain(self, timeout: float | None = None) -> bool:
        """Wait until everything is sent or has failed; failed uploads are tried once more.

        Parameters
        ----------
        timeout
            In seconds; None for as long as it takes.

        Returns
        -------
        bool
            Whether nothing is left unsent.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        with self._lock:
            for failed in list(self._failed.values()):
                if failed.checksum not in self._pending:
                    self._enqueue(Upload(failed.checksum, failed.buffer, reported=failed.reported))
                self._failed.pop(failed.checksum, None)
            if self._thread is threading.current_thread():
                return False  # it can't wait for itself
        self.start()
        with self._lock:
            while self._pending:
                left = None if deadline is None else deadline - time.monotonic()
                if left is not None and left <= 0:
                    break
                self._changed.wait(left)
            return not (self._pending or self._failed)

    def join(self, timeout: float) -> None:
        """Let the thread end as soon as it has nothing to do, and wait for that."""
        with self._lock:
            thread = self._thread
            self._dismissed = thread is not None
            if self._wake is not None:
                self._wake()
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout)

    def _enqueue(self, upload: Upload) -> None:
        # in this order: an interrupt between the two leaves nothing pending that is never sent
        self._waiting.append(upload)
        self._pending[upload.checksum] = upload

    # -- sending ----------------------------------------------------------------------

    def _call_thread(self) -> None:
        """Wake the thread, start it, or where no thread can start any more, do its work."""
        with self._lock:
            if self._thread is not None:
                if self._wake is not None:
                    self._wake()
                return
            thread = threading.Thread(target=self._work, name="seamless-writer", daemon=True)
            try:
                thread.start()
            except RuntimeError:  # the interpreter is going down
                pass
            else:
                return
        self._work(idle_seconds=0.0)

    def _work(self, idle_seconds: float = IDLE_SECONDS) -> None:
        with self._lock:
            # Entered here, since an interrupted `start` does not tell whether the thread runs.
            if self._thread is not None:
                return
            self._thread = threading.current_thread()
        loop = _Loop()
        sending = loop.create_task(self._send_until_idle(loop, idle_seconds))
        try:
            while not sending.done():
                try:
                    loop.run_until_complete(sending)
                except (SystemExit, KeyboardInterrupt):
                    # raised by a task that a backend has started; the uploads go on
                    if threading.current_thread() is threading.main_thread():
                        raise  # here it may be a Ctrl-C
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
            while len(tasks) < PARALLEL and (upload := self._next()):
                task = loop.create_task(self._send_one(upload))
                tasks.add(task)
                task.add_done_callback(tasks.discard)
                task.add_done_callback(lambda _: wake.set())
            try:
                patience = 0.0 if self._dismissed else idle_seconds
                await asyncio.wait_for(wake.wait(), None if tasks else patience)
            except asyncio.TimeoutError:
                if self._stop_if_idle():
                    break
        self._on_thread_exit()
        await settle_tasks()

    def _next(self) -> Upload | None:
        with self._lock:
            return self._waiting.popleft() if self._waiting else None

    def _stop_if_idle(self) -> bool:
        """End the thread's term, unless something has been queued at the last moment."""
        with self._lock:
            if self._waiting:
                return False
            self._thread = self._wake = None
            self._dismissed = False
            return True

    def _fail_pending(self) -> None:
        """Fail the pending uploads if the thread ends otherwise than by `_stop_if_idle`."""
        with self._lock:
            if self._thread is not threading.current_thread():
                return  # retired; another thread may be at work already
            self._thread = self._wake = None
            uploads = list(self._pending.values())
            self._waiting.clear()
        for upload in uploads:
            upload.error = RuntimeError("the thread that sends buffers was stopped")
            self._end(upload, stored=False)

    async def _send_one(self, upload: Upload) -> None:
        stored = False
        try:
            stored = await self._send(upload.buffer)
        except (asyncio.CancelledError, concurrent.futures.CancelledError) as error:
            # who waits for the upload must not take this for the end of their own task
            upload.error = RuntimeError("the backend cancelled the upload")
            upload.error.__cause__ = error
        except Exception as error:  # noqa: BLE001 - whatever a backend raises is the outcome
            upload.error = error
        except BaseException as error:
            upload.error = RuntimeError(f"the upload was stopped by {error!r}")
            upload.error.__cause__ = error
            if threading.current_thread() is threading.main_thread():
                raise  # here it may be a Ctrl-C
        finally:
            self._end(upload, stored)

    def _end(self, upload: Upload, stored: bool) -> None:
        with self._lock:
            if upload.outcome.done():
                return  # its thread was stopped, and it has failed already
            if upload.error is not None:
                self._failed[upload.checksum] = upload
            if self._pending.get(upload.checksum) is upload:
                del self._pending[upload.checksum]
            self._changed.notify_all()
        if upload.error is None:
            upload.outcome.set_result(stored)
        else:
            upload.outcome.set_exception(upload.error)
