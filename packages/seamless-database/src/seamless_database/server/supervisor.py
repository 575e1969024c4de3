"""The supervisor of the worker processes: start, restart and stop them, and assign connections.

The supervisor opens no database and runs no event loop or thread, so that it can fork at any time.
It accepts connections and passes them to the workers in turn, because workers that accept from one
shared socket may leave all of a burst to one of them. Workers stop when the supervisor signals
them, and when it has died.
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
from dataclasses import dataclass
from typing import TYPE_CHECKING

from seamless_database.errors import StartError
from seamless_database.http.line_writer import write_line
from seamless_database.metrics.worker_status import SharedState, StatusSlot
from seamless_database.server.worker import READY, WorkerContext

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from types import FrameType

#: seconds in which workers have to stop before they are killed; longer than a stop takes at most
SHUTDOWN_GRACE = 20.0
#: seconds after which a worker counts as stable: its next exit is the first of a row again
STABLE_UPTIME = 60.0
#: exits of one worker in a row after which the server gives up
MAX_RESTARTS = 6
#: connections that are accepted before anything else is looked at
ACCEPT_BATCH = 64
#: seconds without accepting connections, after the system refused one
ACCEPT_PAUSE = 0.05
#: seconds before a worker restarts after its second exit in a row; doubled each time
BACKOFF, MAX_BACKOFF = 0.5, 30.0


class WorkerStartError(StartError):
    """A worker could not start; the message is its own."""


@dataclass(slots=True)
class _Worker:
    """What the supervisor knows of one worker."""

    number: int
    pid: int = 0
    #: the messages of the worker; EOF when it has exited, -1 while there is no process
    ready_pipe: int = -1
    #: takes the connections for the worker
    fd_socket: socket.socket | None = None
    is_ready: bool = False
    last_message: str = ""
    started_at: float = 0.0
    #: exits in a row
    exits: int = 0
    #: when to restart it; 0 if it runs
    restart_at: float = 0.0


class Supervisor:
    """The workers of one server.

    Parameters
    ----------
    count
        number of workers
    listeners
        non-blocking listening sockets; closed when the workers are to stop
    work
        what each worker process does; returns its exit status. Signals are blocked until it
        unblocks them.
    report_error
        takes a line about each worker that fails while the server runs
    timeout
        seconds without a request to any worker after which to stop; None for never
    """

    def __init__(
        self,
        count: int,
        listeners: Sequence[socket.socket],
        work: Callable[[WorkerContext], int],
        *,
        report_error: Callable[[str], None],
        timeout: float | None = None,
    ) -> None:
        self._listeners = listeners
        self._work = work
        self._report_error = report_error
        self._timeout = timeout
        self._shared_state = SharedState(count)
        self._workers = [_Worker(number) for number in range(count)]
        # only the supervisor holds the writing end, so that its death closes the pipe
        self._parent_pipe, self._parent_pipe_writer = os.pipe()
        self._next_worker = 0
        self._stopping = False
        self._failed = False

    def run(self, signals: Sequence[int], on_ready: Callable[[], None]) -> bool:
        """Serve until one of the signals arrives; returns whether all went well.

        `on_ready` is called once, when all workers answer requests. Raises a `StartError` if one
        of them cannot start, after the others have stopped.
        """
        with self._wake_up_pipe(signals) as wake_up:
            try:
                for worker in self._workers:
                    self._start(worker, signals)
                self._supervise(wake_up, signals, on_ready)
            finally:
                self._stop_workers()
        return not self._failed

    @contextmanager
    def _wake_up_pipe(self, signals: Sequence[int]) -> Iterator[int]:
        """Handle signals; yields a descriptor that becomes readable when one arrives."""
        reader, writer = os.pipe()
        os.set_blocking(writer, False)
        handled = []
        former = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        for number in signals:
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self._on_signal)
                handled.append(number)
        try:
            yield reader
        finally:
            signal.set_wakeup_fd(former)
            for number in handled:
                # the process is about to end, and should not be interrupted
                signal.signal(number, signal.SIG_IGN)
            for descriptor in (reader, writer, self._parent_pipe, self._parent_pipe_writer):
                os.close(descriptor)

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._stopping = True

    def _start(self, worker: _Worker, signals: Sequence[int]) -> None:
        with ExitStack() as after_fork:
            # a signal that arrives meanwhile is delivered once the worker serves
            signal.pthread_sigmask(signal.SIG_BLOCK, signals)
            after_fork.callback(signal.pthread_sigmask, signal.SIG_UNBLOCK, signals)
            try:
                worker.ready_pipe, pipe_of_worker = os.pipe()
                after_fork.callback(os.close, pipe_of_worker)
                worker.fd_socket, socket_of_worker = socket.socketpair()
                after_fork.callback(socket_of_worker.close)
                # a worker that takes no connections must not hold up the others
                worker.fd_socket.setblocking(False)
                worker.pid = os.fork()
                if worker.pid == 0:
                    slot = StatusSlot(worker.number, self._shared_state)
                    self._run_worker(
                        WorkerContext(self._parent_pipe, pipe_of_worker, socket_of_worker, slot)
                    )
            except OSError as error:
                _close_fds(worker)
                raise WorkerStartError(f"a worker could not be started: {error}") from error
        worker.started_at = time.monotonic()
        worker.last_message, worker.restart_at = "", 0.0

    def _restart(self, worker: _Worker, signals: Sequence[int]) -> None:
        """Restart a worker that has exited; the others serve on if the system refuses."""
        try:
            self._start(worker, signals)
        except WorkerStartError as error:
            worker.restart_at = time.monotonic() + MAX_BACKOFF
            self._report_error(f"{error}; it is tried again in {MAX_BACKOFF:g} s")

    def _run_worker(self, context: WorkerContext) -> None:
        """Run a worker in the forked process; never returns."""
        status = 1
        try:
            signal.set_wakeup_fd(-1)
            # held here, the pipe would not close with the supervisor
            os.close(self._parent_pipe_writer)
            for listener in self._listeners:
                listener.close()
            for worker in self._workers:
                _close_fds(worker)
            status = self._work(context)
        except BaseException:  # noqa: BLE001  # the code of the supervisor must not go on here
            write_line(sys.stderr, traceback.format_exc())
        finally:
            for stream in (sys.stdout, sys.stderr):
                with suppress(OSError, ValueError, AttributeError):
                    stream.flush()
            os._exit(status)

    def _supervise(
        self, wake_up: int, signals: Sequence[int], on_ready: Callable[[], None]
    ) -> None:
        """Accept connections and restart workers until the server is to stop."""
        all_ready = False
        while not self._stopping:
            by_pipe = {w.ready_pipe: w for w in self._workers if w.ready_pipe >= 0}
            can_accept = all_ready and any(worker.is_ready for worker in self._workers)
            listeners = self._listeners if can_accept else ()
            watched: list[int | socket.socket] = [wake_up, *by_pipe, *listeners]
            for readable in select.select(watched, [], [], self._poll_timeout())[0]:
                if isinstance(readable, socket.socket):
                    self._dispatch(readable)
                elif readable == wake_up:
                    os.read(wake_up, 512)
                else:
                    self._read_message(by_pipe[readable], all_ready=all_ready)
            if not all_ready and all(worker.is_ready for worker in self._workers):
                all_ready = True
                on_ready()
            for worker in self._workers:
                if 0 < worker.restart_at <= time.monotonic() and not self._stopping:
                    self._restart(worker, signals)
            if self._is_idle():
                return

    def _dispatch(self, listener: socket.socket) -> None:
        """Accept connections, and pass each to the next worker that takes it."""
        for _ in range(ACCEPT_BATCH):
            try:
                connection, _address = listener.accept()
            except (BlockingIOError, ConnectionAbortedError):
                return
            except OSError:
                # the system lacks a resource, such as file descriptors; retrying without a pause
                # would keep a core busy
                time.sleep(ACCEPT_PAUSE)
                return
            with connection:
                any(self._send_fd(connection, worker) for worker in self._round_robin())

    def _round_robin(self) -> list[_Worker]:
        """Return the workers, each time starting with the next one."""
        self._next_worker = (self._next_worker + 1) % len(self._workers)
        return self._workers[self._next_worker :] + self._workers[: self._next_worker]

    @staticmethod
    def _send_fd(connection: socket.socket, worker: _Worker) -> bool:
        """Pass a connection to a worker; False if it is not ready, or has not taken enough yet."""
        if not worker.is_ready or worker.fd_socket is None:
            return False
        try:
            socket.send_fds(worker.fd_socket, [b"."], [connection.fileno()])
        except OSError:
            return False
        return True

    def _poll_timeout(self) -> float | None:
        """Return the seconds until the next restart or the next check of the idle timeout."""
        now = time.monotonic()
        delays = [worker.restart_at - now for worker in self._workers if worker.restart_at]
        if self._timeout is not None:
            delays.append(min(1.0, self._timeout / 8))
        return max(0.0, min(delays)) if delays else None

    def _read_message(self, worker: _Worker, *, all_ready: bool) -> None:
        # a message is cut to a length, perhaps within a character
        message = os.read(worker.ready_pipe, 4096).decode(errors="replace")
        if message == READY:
            worker.is_ready = True
        elif message:
            worker.last_message = message
        else:
            self._on_exit(worker, all_ready=all_ready)

    def _on_exit(self, worker: _Worker, *, all_ready: bool) -> None:
        """Schedule the restart of a worker that has exited by itself, or give up."""
        _close_fds(worker)
        reason = _exit_reason(os.waitpid(worker.pid, 0)[1])
        if worker.last_message:
            reason = f"{reason} ({worker.last_message})"
        if not all_ready:
            raise WorkerStartError(worker.last_message or f"worker {worker.number + 1} {reason}")
        now = time.monotonic()
        worker.exits = 1 if now - worker.started_at > STABLE_UPTIME else worker.exits + 1
        line = f"worker {worker.number + 1} of {len(self._workers)} {reason}"
        if worker.exits >= MAX_RESTARTS:
            self._report_error(f"{line}, {MAX_RESTARTS} times in a row; the server ends")
            self._stopping = self._failed = True
            return
        delay = 0.0 if worker.exits == 1 else min(MAX_BACKOFF, BACKOFF * 2 ** (worker.exits - 2))
        worker.restart_at = now + delay
        self._report_error(f"{line}; it is started again" + (f" in {delay:g} s" if delay else ""))

    def _is_idle(self) -> bool:
        """Whether all workers together have been idle for the timeout, by their last statuses."""
        if self._timeout is None:
            return False
        statuses = self._shared_state.read_statuses().values()
        if len(statuses) < len(self._workers):
            return False
        started = max(worker.started_at for worker in self._workers)
        last_active = max(started, *(status.last_active for status in statuses))
        return min(status.published for status in statuses) - last_active >= self._timeout

    def _stop_workers(self) -> None:
        """Stop all workers, in bounded time."""
        for listener in self._listeners:
            listener.close()
        running = [worker for worker in self._workers if worker.ready_pipe >= 0]
        for worker in running:
            os.kill(worker.pid, signal.SIGTERM)
        deadline = time.monotonic() + SHUTDOWN_GRACE
        while running and time.monotonic() < deadline:
            pipes = [worker.ready_pipe for worker in running]
            readable, _, _ = select.select(pipes, [], [], deadline - time.monotonic())
            for worker in [w for w in running if w.ready_pipe in readable]:
                if not os.read(worker.ready_pipe, 4096):
                    self._reap(worker)
                    running.remove(worker)
        for worker in running:
            self._report_error(
                f"worker {worker.number + 1} did not end in {SHUTDOWN_GRACE:g} s, and is killed"
            )
            os.kill(worker.pid, signal.SIGKILL)
            self._reap(worker)

    def _reap(self, worker: _Worker) -> None:
        _close_fds(worker)
        if os.waitpid(worker.pid, 0)[1]:
            self._failed = True


def _close_fds(worker: _Worker) -> None:
    """Close the pipe and the socket to a worker."""
    if worker.ready_pipe >= 0:
        os.close(worker.ready_pipe)
    if worker.fd_socket is not None:
        worker.fd_socket.close()
    worker.ready_pipe, worker.fd_socket, worker.is_ready = -1, None, False


def _exit_reason(status: int) -> str:
    """Describe how a process has exited."""
    code = os.waitstatus_to_exitcode(status)
    return f"was ended by signal {-code}" if code < 0 else f"ended with status {code}"
