"""Serve one database with several processes on one address; what those have to agree on.

Each of several opens the database for itself. Reads of one see what another has acknowledged, for
nobody keeps what he has read. The file is put back into its plain mode when all have ended.
"""

from __future__ import annotations

from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Protocol

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

    from seamless_database.http.access_log import AccessLog
    from seamless_database.server.server import Settings
    from seamless_database.storage.backend import Backend


class OpenBackend(Protocol):
    """Opens the database that is to be served."""

    def __call__(self, *, writer_lock: FairWriterLock | None = None) -> Backend:
        """Open it; with turns, beside other processes of ours."""
        ...


@dataclass(frozen=True, slots=True)
class ServerRun:
    """What is served, and how."""

    #: how each process opens the database for itself
    opening: OpenBackend
    #: the sockets that connections for all of them come in by
    listeners: list[socket.socket]
    #: the limits are those of all together
    settings: Settings
    #: has a thread of a worker write its stderr, and opens its log, if there is to be one
    log: Callable[[ExitStack], AccessLog | None]
    #: whether there is a file to be put back into its plain mode
    is_file: bool

    def run_workers(
        self, count: int, on_ready: Callable[[], None], complain: Callable[[str], None]
    ) -> bool:
        """Serve with several processes; tells whether nothing went wrong until it was over.

        Nothing may have the database open in this process. `on_ready` is called once, when all
        of them answer requests; `complain` is told in a line what goes wrong meanwhile.
        """
        writer_lock = FairWriterLock()
        workers = Supervisor(
            count,
            self.listeners,
            partial(self._work, writer_lock, count),
            complain=complain,
            timeout=self.settings.timeout,
        )
        try:
            return workers.run(STOP_SIGNALS, on_ready)
        finally:
            writer_lock.close()
            if self.is_file:
                # in use by others, it stays as it is until the last of them closes it
                with suppress(DatabaseError):
                    self.opening().close()

    def _work(self, writer_lock: FairWriterLock, count: int, worker: WorkerContext) -> int:
        """Be one of them; gives the exit status."""
        limits = self.settings.limits
        # nobody may have more than all together, whoever accepts them
        limits = replace(limits, connections=max(1, limits.connections // count))
        with ExitStack() as stack:
            log = self.log(stack)
            try:
                database = stack.enter_context(self.opening(writer_lock=writer_lock))
            except StartError as error:
                worker.notify(str(error))
                return 1
            settings = replace(self.settings, limits=limits, worker=worker, log=log)
            serve(database, [], settings, lambda: worker.notify(READY))
            # what is left to do takes no time, and should be done
            signals.ignore()
        return 0
