"""Serve one database with several processes on one address; what they have to agree on.

Each of them opens the database for itself. Reads of one see what another has acknowledged, for
nobody keeps what he has read. The file is put back into its plain mode when all have ended.
"""

from __future__ import annotations

import signal
from contextlib import ExitStack, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from seamless_database.errors import DatabaseError, StartError
from seamless_database.seat import READY, Seat
from seamless_database.server import STOP_SIGNALS, serve
from seamless_database.turns import Turns
from seamless_database.workers import Workers

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from seamless_database.access_log import AccessLog
    from seamless_database.backend import Backend
    from seamless_database.server import Settings


class Opening(Protocol):
    """Opens the database that is to be served."""

    def __call__(self, *, turns: Turns | None = None) -> Backend:
        """Open it; with turns, beside other processes of ours."""
        ...


def serve_together(
    count: int,
    opening: Opening,
    listeners: list[socket.socket],
    settings: Settings,
    *,
    log: Callable[[ExitStack], AccessLog | None],
    on_ready: Callable[[], None],
    complain: Callable[[str], None],
) -> bool:
    """Run the server; tells whether nothing went wrong until it has stopped.

    Parameters
    ----------
    count
        how many processes
    opening
        opens the database; nobody may have it open in this process
    listeners
        the sockets that all of them accept from
    settings
        how to serve; the limits are those of all together
    log
        opens the log of one of them, if there is to be one
    on_ready
        called once, when all of them answer requests
    complain
        is told in a line what went wrong meanwhile
    """
    turns = Turns()

    def work(seat: Seat) -> int:
        with ExitStack() as stack:
            try:
                database = stack.enter_context(opening(turns=turns))
            except StartError as error:
                seat.say(str(error))
                return 1
            own = replace(_share(settings, count), seat=seat, log=log(stack))
            serve(database, listeners, own, lambda: seat.say(READY))
            # what is left to do takes no time, and should be done
            for number in STOP_SIGNALS:
                signal.signal(number, signal.SIG_IGN)
        return 0

    workers = Workers(count, listeners, work, complain=complain, timeout=settings.timeout)
    try:
        return workers.run(STOP_SIGNALS, on_ready)
    finally:
        turns.close()
        # in use by others, it stays as it is until the last of them closes it
        with suppress(DatabaseError):
            opening().close()


def _share(settings: Settings, count: int) -> Settings:
    """Give one of them its part of what the whole server may have."""
    limits = settings.limits
    connections = max(1, limits.connections // count)
    return replace(settings, limits=replace(limits, connections=connections))
