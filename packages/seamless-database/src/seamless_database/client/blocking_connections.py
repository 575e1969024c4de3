"""The connections of the blocking client: one for each thread that sends at the same time.

They are those of the standard library: with httpcore's, a look-up takes twice the time.
"""

from __future__ import annotations

import os
import select
import time
from contextlib import suppress
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from math import inf
from typing import TYPE_CHECKING, NamedTuple

from seamless_database.client.http_exchange import KEEP_SECONDS, ExchangeError, Response

if TYPE_CHECKING:
    import socket

    from seamless_database.client.http_exchange import Endpoint


class _Idle(NamedTuple):
    connection: HTTPConnection
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

    def exchange(self, method: str, path: str, body: bytes) -> Response:
        """Send a request and return the response; an `OSError` says why there is none."""
        connection = self._take() or self._connect()
        endpoint = self._endpoint
        try:
            # a server that rejects a large body may have sent its response before
            with suppress(BrokenPipeError, ConnectionResetError):
                connection.request(method, endpoint.path + path, body, endpoint.headers)
            response = connection.getresponse()
            content = response.read()
        except BaseException as error:
            connection.close()
            if isinstance(error, HTTPException):
                raise ExchangeError(error) from None
            raise
        self._put_back(connection)
        return Response.of(response.status, content, response.getheader("Location"))

    def close(self) -> None:
        """Close the idle connections now, and those in use after their request."""
        self._is_closed = True
        self._close_idle()

    def _take(self) -> HTTPConnection | None:
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
                if time.monotonic() < until and not _is_readable(connection.sock):
                    return connection
                connection.close()
        return None

    def _put_back(self, connection: HTTPConnection) -> None:
        if connection.sock is None:
            return  # the response was the last one
        now = time.monotonic()
        self._idle.append(_Idle(connection, now + KEEP_SECONDS))
        self._close_idle(inf if self._is_closed else now)

    def _connect(self) -> HTTPConnection:
        endpoint = self._endpoint
        endpoint.check()
        host, port, timeout = endpoint.host, endpoint.port, self._timeout
        connection = (
            HTTPConnection(host, port, timeout=timeout)
            if endpoint.tls is None
            else HTTPSConnection(host, port, timeout=timeout, context=endpoint.tls)
        )
        try:
            connection.connect()
        except BaseException:
            connection.close()
            raise
        return connection

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
