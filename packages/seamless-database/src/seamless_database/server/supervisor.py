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
from seamless_database.server.shared_state import Board
from seamless_database.server.worker import READY, Seat, notes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from types import FrameType

#: seconds that workers get to end, before they are killed; longer than one takes at most
ENDING = 20.0
#: seconds that a worker has to live for its end not to count as one of a row
STABLE = 60.0
#: ends in a row of one worker, after which the server gives up
MANY = 6
#: connections that are dealt out before anything else is looked at
MANY_CONNECTIONS = 64
#: seconds before a worker is begun again, at the second end of a row; twice as long each time
PAUSE, LONGEST_PAUSE = 0.5, 30.0


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
    channel: socket.socket | None = None
    ready: bool = False
    heard: str = ""
    begun: float = 0.0
    #: ends in a row
    ends: int = 0
    #: when to begin it again
    due: float = field(default=0.0)


class Workers:
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
        work: Callable[[Seat], int],
        *,
        complain: Callable[[str], None],
        timeout: float | None = None,
    ) -> None:
        self._listeners = listeners
        self._work = work
        self._complain = complain
        self._timeout = timeout
        self._board = Board(count)
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
                    self._begin(worker, signals)
                self._watch(woken, signals, on_ready)
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

    def _begin(self, worker: _Worker, signals: Sequence[int]) -> None:
        with ExitStack() as parted:
            # a worker gets signals once it serves, and those that have come by then
            signal.pthread_sigmask(signal.SIG_BLOCK, signals)
            parted.callback(signal.pthread_sigmask, signal.SIG_UNBLOCK, signals)
            try:
                worker.report, told = os.pipe()
                parted.callback(os.close, told)
                worker.channel, theirs = socket.socketpair()
                parted.callback(theirs.close)
                # a worker that takes nothing must not hold up the others
                worker.channel.setblocking(False)
                worker.pid = os.fork()
                if worker.pid == 0:
                    self._be(Seat(worker.number, self._lifeline, told, theirs, self._board))
            except OSError as error:
                _let_go(worker)
                raise WorkerStartError(f"a worker could not be started: {error}") from error
        worker.begun = time.monotonic()
        worker.ready, worker.heard, worker.due = False, "", 0.0

    def _begin_again(self, worker: _Worker, signals: Sequence[int]) -> None:
        """Begin a worker that has ended; the others serve on if the system refuses."""
        try:
            self._begin(worker, signals)
        except WorkerStartError as error:
            worker.due = time.monotonic() + LONGEST_PAUSE
            self._complain(f"{error}; it is tried again in {LONGEST_PAUSE:g} s")

    def _be(self, seat: Seat) -> None:
        """Be a worker; never returns."""
        status = 1
        try:
            signal.set_wakeup_fd(-1)
            # the others must see it come to its end when the first of us is no more
            os.close(self._held)
            for listener in self._listeners:
                listener.close()
            for worker in self._workers:
                _let_go(worker)
            status = self._work(seat)
        except BaseException:  # noqa: BLE001  # nothing may go on where the process has parted
            write_line(sys.stderr, traceback.format_exc())
        finally:
            for stream in (sys.stdout, sys.stderr):
                with suppress(OSError, ValueError, AttributeError):
                    stream.flush()
            os._exit(status)

    def _watch(self, woken: int, signals: Sequence[int], on_ready: Callable[[], None]) -> None:
        """Look after the workers until they are to end."""
        all_ready = False
        while not self._ending:
            by_report = {w.report: w for w in self._workers if w.report >= 0}
            doors = self._listeners if all_ready and any(w.ready for w in self._workers) else ()
            looked_at: list[int | socket.socket] = [woken, *by_report, *doors]
            for found in select.select(looked_at, [], [], self._patience())[0]:
                if isinstance(found, socket.socket):
                    self._deal_out(found)
                elif found == woken:
                    os.read(woken, 512)
                else:
                    self._listen_to(by_report[found], started=all_ready)
            if not all_ready and all(worker.ready for worker in self._workers):
                all_ready = True
                on_ready()
            for worker in self._workers:
                if 0 < worker.due <= time.monotonic() and not self._ending:
                    self._begin_again(worker, signals)
            if self._is_idle():
                return

    def _deal_out(self, listener: socket.socket) -> None:
        """Give the connections that have come in to one worker after the other."""
        for _ in range(MANY_CONNECTIONS):
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
                any(self._give(connection, worker) for worker in self._in_turn())

    def _in_turn(self) -> list[_Worker]:
        """Give the workers, each time beginning with another one."""
        self._turn = (self._turn + 1) % len(self._workers)
        return self._workers[self._turn :] + self._workers[: self._turn]

    @staticmethod
    def _give(connection: socket.socket, worker: _Worker) -> bool:
        if not worker.ready or worker.channel is None:
            return False
        try:
            socket.send_fds(worker.channel, [b"."], [connection.fileno()])
        except OSError:
            return False
        return True

    def _patience(self) -> float | None:
        """Give the seconds until something is to be done unasked."""
        now = time.monotonic()
        moments = [worker.due - now for worker in self._workers if worker.due]
        if self._timeout is not None:
            moments.append(min(1.0, self._timeout / 8))
        return max(0.0, min(moments)) if moments else None

    def _listen_to(self, worker: _Worker, *, started: bool) -> None:
        # what it says is cut to a length, perhaps within a character
        word = os.read(worker.report, 4096).decode(errors="replace")
        if word == READY:
            worker.ready = True
        elif word:
            worker.heard = word
        else:
            self._bury(worker, started=started)

    def _bury(self, worker: _Worker, *, started: bool) -> None:
        """See to a worker that has ended though nobody asked it to."""
        _let_go(worker)
        ended = _how(os.waitpid(worker.pid, 0)[1])
        how = f"{ended} ({worker.heard})" if worker.heard else ended
        if not started:
            raise WorkerStartError(worker.heard or f"worker {worker.number + 1} {how}")
        now = time.monotonic()
        worker.ends = 1 if now - worker.begun > STABLE else worker.ends + 1
        line = f"worker {worker.number + 1} of {len(self._workers)} {how}"
        if worker.ends >= MANY:
            self._complain(f"{line}, {MANY} times in a row; the server ends")
            self._ending = self._failed = True
            return
        pause = 0.0 if worker.ends == 1 else min(LONGEST_PAUSE, PAUSE * 2 ** (worker.ends - 2))
        worker.due = now + pause
        self._complain(f"{line}; it is started again" + (f" in {pause:g} s" if pause else ""))

    def _is_idle(self) -> bool:
        """Tell whether nobody has asked any of us for long enough, as far as they have told."""
        if self._timeout is None:
            return False
        found = notes(self._board)
        if len(found) < len(self._workers):
            return False
        begun = max(worker.begun for worker in self._workers)
        active = max(begun, *(note.active for note in found.values()))
        return min(note.written for note in found.values()) - active >= self._timeout

    def _end(self) -> None:
        """End all workers, in bounded time."""
        for listener in self._listeners:
            listener.close()
        left = [worker for worker in self._workers if worker.report >= 0]
        for worker in left:
            os.kill(worker.pid, signal.SIGTERM)
        deadline = time.monotonic() + ENDING
        while left and time.monotonic() < deadline:
            readable, _, _ = select.select(
                [worker.report for worker in left], [], [], deadline - time.monotonic()
            )
            for worker in [w for w in left if w.report in readable]:
                if not os.read(worker.report, 4096):
                    self._reap(worker)
                    left.remove(worker)
        for worker in left:
            self._complain(f"worker {worker.number + 1} did not end in {ENDING:g} s, and is killed")
            os.kill(worker.pid, signal.SIGKILL)
            self._reap(worker)

    def _reap(self, worker: _Worker) -> None:
        _let_go(worker)
        if os.waitpid(worker.pid, 0)[1]:
            self._failed = True


def _let_go(worker: _Worker) -> None:
    """Close what leads to a worker."""
    if worker.report >= 0:
        os.close(worker.report)
    if worker.channel is not None:
        worker.channel.close()
    worker.report, worker.channel, worker.ready = -1, None, False


def _how(status: int) -> str:
    """Say how a process has ended."""
    code = os.waitstatus_to_exitcode(status)
    return f"was ended by signal {-code}" if code < 0 else f"ended with status {code}"
