"""Serve with several processes: begin them, begin them again, end them all together.

The process that does so serves nothing and opens nothing, so that it can part into workers at
any time. It accepts connections and deals them out in turn: workers that accept from one socket
side by side may leave all of a burst to one of them. They end when it says so, and when it is no
more.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import sys
import time
import traceback
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from seamless_database.errors import StartError
from seamless_database.http.line_writer import write_line
from seamless_database.server.shared_state import SharedState
from seamless_database.server.worker import READY, WorkerContext, read_statuses

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from types import FrameType

#: seconds that workers get to end, before they are killed; longer than one takes at most
SHUTDOWN_GRACE = 20.0
#: seconds that a worker has to live for its end not to count as one of a row
STABLE_UPTIME = 60.0
#: ends in a row of one worker, after which the server gives up
MAX_RESTARTS = 6
#: connections that are dealt out before anything else is looked at
ACCEPT_BATCH = 64
#: seconds before a worker is begun again, at the second end of a row; twice as long each time
BACKOFF, MAX_BACKOFF = 0.5, 30.0


class WorkerStartError(StartError):
    """A worker could not start; the message is its own."""


@dataclass(slots=True)
class _Worker:
    """One seat, and who has it."""

    number: int
    pid: int = 0
    #: where it says its first word; at its end, the worker is
    report: int = -1
    #: where it gets its connections from
    fd_socket: socket.socket | None = None
    ready: bool = False
    last_message: str = ""
    started: float = 0.0
    #: ends in a row
    ends: int = 0
    #: when to begin it again
    due: float = field(default=0.0)


class Supervisor:
    """The workers of one server.

    Parameters
    ----------
    count
        how many
    listeners
        where connections for them come in, without blocking; closed when they are to end
    work
        what each of them does, in a process of its own; gives its exit status. The signals are
        blocked until it lets them in.
    complain
        is told in a line what went wrong while the server runs
    timeout
        seconds without a request to any of them after which to stop; None for never
    """

    def __init__(
        self,
        count: int,
        listeners: Sequence[socket.socket],
        work: Callable[[WorkerContext], int],
        *,
        complain: Callable[[str], None],
        timeout: float | None = None,
    ) -> None:
        self._listeners = listeners
        self._work = work
        self._complain = complain
        self._timeout = timeout
        self._shared_state = SharedState(count)
        self._workers = [_Worker(number) for number in range(count)]
        self._lifeline, self._held = os.pipe()
        self._turn = 0
        self._ending = False
        self._failed = False

    def run(self, signals: Sequence[int], on_ready: Callable[[], None]) -> bool:
        """Serve until one of the signals comes; tells whether all went well.

        `on_ready` is called once, when all of them answer requests. Raises a `StartError` if one
        of them cannot, after the others have ended.
        """
        with self._woken_by(signals) as woken:
            try:
                for worker in self._workers:
                    self._start(worker, signals)
                self._supervise(woken, signals, on_ready)
            finally:
                self._end()
        return not self._failed

    @contextmanager
    def _woken_by(self, signals: Sequence[int]) -> Iterator[int]:
        """Note signals, and give a descriptor to wait for them with."""
        woken, waker = os.pipe()
        os.set_blocking(waker, False)
        kept = {}
        former = signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
        for number in signals:
            if signal.getsignal(number) is not signal.SIG_IGN:
                kept[number] = signal.signal(number, self._stop)
        try:
            yield woken
        finally:
            signal.set_wakeup_fd(former)
            for number in kept:
                # the end is near, and should not be disturbed
                signal.signal(number, signal.SIG_IGN)
            for descriptor in (woken, waker, self._lifeline, self._held):
                os.close(descriptor)

    def _stop(self, _number: int, _frame: FrameType | None) -> None:
        self._ending = True

    def _start(self, worker: _Worker, signals: Sequence[int]) -> None:
        with ExitStack() as parted:
            # a worker gets signals once it serves, and those that have come by then
            signal.pthread_sigmask(signal.SIG_BLOCK, signals)
            parted.callback(signal.pthread_sigmask, signal.SIG_UNBLOCK, signals)
            try:
                worker.report, told = os.pipe()
                parted.callback(os.close, told)
                worker.fd_socket, theirs = socket.socketpair()
                parted.callback(theirs.close)
                # a worker that takes nothing must not hold up the others
                worker.fd_socket.setblocking(False)
                worker.pid = os.fork()
                if worker.pid == 0:
                    self._run_worker(
                        WorkerContext(
                            worker.number, self._lifeline, told, theirs, self._shared_state
                        )
                    )
            except OSError as error:
                _close_fds(worker)
                raise WorkerStartError(f"a worker could not be started: {error}") from error
        worker.started = time.monotonic()
        worker.ready, worker.last_message, worker.due = False, "", 0.0

    def _restart(self, worker: _Worker, signals: Sequence[int]) -> None:
        """Begin a worker that has ended; the others serve on if the system refuses."""
        try:
            self._start(worker, signals)
        except WorkerStartError as error:
            worker.due = time.monotonic() + MAX_BACKOFF
            self._complain(f"{error}; it is tried again in {MAX_BACKOFF:g} s")

    def _run_worker(self, context: WorkerContext) -> None:
        """Be a worker; never returns."""
        status = 1
        try:
            signal.set_wakeup_fd(-1)
            # the others must see it come to its end when the first of us is no more
            os.close(self._held)
            for listener in self._listeners:
                listener.close()
            for worker in self._workers:
                _close_fds(worker)
            status = self._work(context)
        except BaseException:  # noqa: BLE001  # nothing may go on where the process has parted
            write_line(sys.stderr, traceback.format_exc())
        finally:
            for stream in (sys.stdout, sys.stderr):
                with suppress(OSError, ValueError, AttributeError):
                    stream.flush()
            os._exit(status)

    def _supervise(self, woken: int, signals: Sequence[int], on_ready: Callable[[], None]) -> None:
        """Look after the workers until they are to end."""
        all_ready = False
        while not self._ending:
            by_report = {w.report: w for w in self._workers if w.report >= 0}
            doors = self._listeners if all_ready and any(w.ready for w in self._workers) else ()
            looked_at: list[int | socket.socket] = [woken, *by_report, *doors]
            for found in select.select(looked_at, [], [], self._poll_timeout())[0]:
                if isinstance(found, socket.socket):
                    self._dispatch(found)
                elif found == woken:
                    os.read(woken, 512)
                else:
                    self._read_status(by_report[found], started=all_ready)
            if not all_ready and all(worker.ready for worker in self._workers):
                all_ready = True
                on_ready()
            for worker in self._workers:
                if 0 < worker.due <= time.monotonic() and not self._ending:
                    self._restart(worker, signals)
            if self._is_idle():
                return

    def _dispatch(self, listener: socket.socket) -> None:
        """Give the connections that have come in to one worker after the other."""
        for _ in range(ACCEPT_BATCH):
            try:
                connection, _address = listener.accept()
            except (BlockingIOError, ConnectionAbortedError):
                return
            except OSError:
                # the system lacks something that a connection needs; trying without pause would
                # keep a core busy until it has it again
                time.sleep(0.05)
                return
            with connection:
                # nobody takes it who is not there, or who has too many to take already
                any(self._send_fd(connection, worker) for worker in self._round_robin())

    def _round_robin(self) -> list[_Worker]:
        """Give the workers, each time beginning with another one."""
        self._turn = (self._turn + 1) % len(self._workers)
        return self._workers[self._turn :] + self._workers[: self._turn]

    @staticmethod
    def _send_fd(connection: socket.socket, worker: _Worker) -> bool:
        if not worker.ready or worker.fd_socket is None:
            return False
        try:
            socket.send_fds(worker.fd_socket, [b"."], [connection.fileno()])
        except OSError:
            return False
        return True

    def _poll_timeout(self) -> float | None:
        """Give the seconds until something is to be done unasked."""
        now = time.monotonic()
        moments = [worker.due - now for worker in self._workers if worker.due]
        if self._timeout is not None:
            moments.append(min(1.0, self._timeout / 8))
        return max(0.0, min(moments)) if moments else None

    def _read_status(self, worker: _Worker, *, started: bool) -> None:
        # what it says is cut to a length, perhaps within a character
        word = os.read(worker.report, 4096).decode(errors="replace")
        if word == READY:
            worker.ready = True
        elif word:
            worker.last_message = word
        else:
            self._on_exit(worker, started=started)

    def _on_exit(self, worker: _Worker, *, started: bool) -> None:
        """See to a worker that has ended though nobody asked it to."""
        _close_fds(worker)
        ended = _exit_reason(os.waitpid(worker.pid, 0)[1])
        how = f"{ended} ({worker.last_message})" if worker.last_message else ended
        if not started:
            raise WorkerStartError(worker.last_message or f"worker {worker.number + 1} {how}")
        now = time.monotonic()
        worker.ends = 1 if now - worker.started > STABLE_UPTIME else worker.ends + 1
        line = f"worker {worker.number + 1} of {len(self._workers)} {how}"
        if worker.ends >= MAX_RESTARTS:
            self._complain(f"{line}, {MAX_RESTARTS} times in a row; the server ends")
            self._ending = self._failed = True
            return
        pause = 0.0 if worker.ends == 1 else min(MAX_BACKOFF, BACKOFF * 2 ** (worker.ends - 2))
        worker.due = now + pause
        self._complain(f"{line}; it is started again" + (f" in {pause:g} s" if pause else ""))

    def _is_idle(self) -> bool:
        """Tell whether nobody has asked any of us for long enough, as far as they have told."""
        if self._timeout is None:
            return False
        found = read_statuses(self._shared_state)
        if len(found) < len(self._workers):
            return False
        started = max(worker.started for worker in self._workers)
        active = max(started, *(note.active for note in found.values()))
        return min(note.written for note in found.values()) - active >= self._timeout

    def _end(self) -> None:
        """End all workers, in bounded time."""
        for listener in self._listeners:
            listener.close()
        left = [worker for worker in self._workers if worker.report >= 0]
        for worker in left:
            os.kill(worker.pid, signal.SIGTERM)
        deadline = time.monotonic() + SHUTDOWN_GRACE
        while left and time.monotonic() < deadline:
            readable, _, _ = select.select(
                [worker.report for worker in left], [], [], deadline - time.monotonic()
            )
            for worker in [w for w in left if w.report in readable]:
                if not os.read(worker.report, 4096):
                    self._reap(worker)
                    left.remove(worker)
        for worker in left:
            self._complain(
                f"worker {worker.number + 1} did not end in {SHUTDOWN_GRACE:g} s, and is killed"
            )
            os.kill(worker.pid, signal.SIGKILL)
            self._reap(worker)

    def _reap(self, worker: _Worker) -> None:
        _close_fds(worker)
        if os.waitpid(worker.pid, 0)[1]:
            self._failed = True


def _close_fds(worker: _Worker) -> None:
    """Close what leads to a worker."""
    if worker.report >= 0:
        os.close(worker.report)
    if worker.fd_socket is not None:
        worker.fd_socket.close()
    worker.report, worker.fd_socket, worker.ready = -1, None, False


def _exit_reason(status: int) -> str:
    """Say how a process has ended."""
    code = os.waitstatus_to_exitcode(status)
    return f"was ended by signal {-code}" if code < 0 else f"ended with status {code}"
