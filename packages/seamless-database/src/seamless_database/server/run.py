"""Serve one database with several worker processes.

Each worker opens the database for itself. A read in one worker sees every write that another one
has acknowledged, because no worker caches rows. The file leaves WAL mode when all have ended.
"""

from __future__ import annotations

from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from seamless_database.errors import DatabaseError, StartError
from seamless_database.server import signals
from seamless_database.server.server import serve
from seamless_database.server.signals import STOP_SIGNALS
from seamless_database.server.supervisor import Supervisor
from seamless_database.server.worker import READY, WorkerContext
from seamless_database.storage.sqlite.fair_lock import FairWriterLock

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from seamless_database.http.request_log import AccessLog
    from seamless_database.server.server import Settings
    from seamless_database.storage.backend import Backend


@dataclass(frozen=True, slots=True)
class ServerRun:
    """What is served, and how."""

    #: opens the database in each worker, with the lock that the workers share
    opening: Callable[[FairWriterLock | None], Backend]
    #: the listening sockets of all workers
    listeners: list[socket.socket]
    #: the limits are those of all workers together
    settings: Settings
    #: starts the thread of a worker that writes to stderr, and opens the access log, if any
    log: Callable[[ExitStack], AccessLog | None]
    #: whether the database is a file, which has to leave WAL mode at the end
    is_file: bool

    def run_workers(
        self, count: int, on_ready: Callable[[], None], report_error: Callable[[str], None]
    ) -> bool:
        """Serve with several processes until a stop signal; returns whether all went well.

        This process must not have the database open. `on_ready` is called once, when all workers
        answer requests; `report_error` takes a line about each worker that fails meanwhile.
        """
        writer_lock = FairWriterLock()
        supervisor = Supervisor(
            count,
            self.listeners,
            partial(self._work, writer_lock, count),
            report_error=report_error,
            timeout=self.settings.timeout,
        )
        try:
            return supervisor.run(STOP_SIGNALS, on_ready)
        finally:
            writer_lock.close()
            if self.is_file:
                # if other programs use the file, the last of them to close it ends WAL mode
                with suppress(DatabaseError):
                    self.opening(None).close()

    def _work(self, writer_lock: FairWriterLock, count: int, worker: WorkerContext) -> int:
        """Run one worker; returns its exit status."""
        limits = self.settings.limits
        limits = replace(limits, connections=max(1, limits.connections // count))
        with ExitStack() as stack:
            log = self.log(stack)
            try:
                database = stack.enter_context(self.opening(writer_lock))
            except StartError as error:
                worker.notify(str(error))
                return 1
            settings = replace(self.settings, limits=limits, worker=worker, log=log)
            serve(database, [], settings, lambda: worker.notify(READY))
            # the clean-up that follows is short, and should not be interrupted
            signals.ignore()
        return 0
