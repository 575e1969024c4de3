"""The connections of the blocking client: one for each thread that sends at the same time."""

from __future__ import annotations

import os
import select
import socket
import time
from contextlib import suppress
from math import inf
from typing import TYPE_CHECKING, NamedTuple

from seamless_database.client.http_exchange import (
    KEEP_SECONDS,
    Response,
    ResponseParser,
)

if TYPE_CHECKING:
    from seamless_database.client.http_exchange import Endpoint

#: bytes that are received at once
_CHUNK = 65536


class _Idle(NamedTuple):
    connection: socket.socket
    #: the monotonic time at which the connection is dropped
    until: float


class BlockingConnections:
    """Sends requests over connections that it keeps; safe from any thread.

    No lock is needed: taking a connection from the list and adding one are single operations.
    """

    def __init__(self, endpoint: Endpoint, timeout: float) -> None:
        self._endpoint = endpoint
        self._timeout = timeout
        self._idle: list[_Idle] = []
        self._pid = os.getpid()
        self._is_closed = False

    def exchange(self, request: bytes) -> Response:
        """Send a request and return the response; an `OSError` says why there is none."""
        connection = self._take() or self._connect()
        parser = ResponseParser()
        try:
            # a server that rejects a large body may have sent its response before
            with suppress(BrokenPipeError, ConnectionResetError):
                connection.sendall(request)
            while not parser.is_complete:
                parser.feed(connection.recv(_CHUNK))
        except BaseException:
            connection.close()
            raise
        self._put_back(connection, parser)
        return parser.response()

    def close(self) -> None:
        """Close the idle connections now, and those in use after their request."""
        self._is_closed = True
        self._close_idle()

    def _take(self) -> socket.socket | None:
        """Return an idle connection that the server has not closed."""
        if self._is_closed:
            raise ConnectionAbortedError("the client is closed")
        if self._pid != os.getpid():
            # the parent process uses the same connections
            self._close_idle()
            self._pid = os.getpid()
        with suppress(IndexError):
            while True:
                connection, until = self._idle.pop()
                if time.monotonic() < until and not _is_readable(connection):
                    return connection
                connection.close()
        return None

    def _put_back(self, connection: socket.socket, parser: ResponseParser) -> None:
        if not parser.keep_alive:
            connection.close()
            return
        now = time.monotonic()
        self._idle.append(_Idle(connection, now + KEEP_SECONDS))
        self._close_idle(inf if self._is_closed else now)

    def _connect(self) -> socket.socket:
        endpoint = self._endpoint
        address = endpoint.host, endpoint.port
        connection = socket.create_connection(address, timeout=self._timeout)
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if endpoint.tls is None:
                return connection
            return endpoint.tls.wrap_socket(connection, server_hostname=endpoint.host)
        except BaseException:
            connection.close()
            raise

    def _close_idle(self, now: float = inf) -> None:
        """Close the connections that were idle for long; all by default."""
        with suppress(IndexError):
            # another thread may take the first one meanwhile: then a newer one is closed, or none
            while self._idle[0].until < now:
                self._idle.pop(0).connection.close()


def _is_readable(connection: socket.socket) -> bool:
    """Whether the server has closed an idle connection, or sent what was not asked for."""
    poll = select.poll()
    poll.register(connection, select.POLLIN)
    return bool(poll.poll(0))
