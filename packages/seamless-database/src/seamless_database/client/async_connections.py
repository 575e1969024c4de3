"""The connections of the asynchronous client: a pool of httpcore in each event loop.

The pool looks through all its requests whenever one begins or ends, so the requests wait for a slot
before they enter it.
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import httpcore

from seamless_database.client.http_exchange import KEEP_SECONDS, ExchangeError, Response

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from seamless_database.client.http_exchange import Endpoint

#: connections in one event loop; requests beyond that wait
MAX_CONNECTIONS = 32


class AsyncConnections:
    """The connections of one event loop."""

    def __init__(self, endpoint: Endpoint, timeout: float) -> None:
        self._endpoint = endpoint
        self._timeouts = dict.fromkeys(("connect", "read", "write", "pool"), timeout)
        self._loop = asyncio.get_running_loop()
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=endpoint.tls,
            max_connections=MAX_CONNECTIONS,
            keepalive_expiry=KEEP_SECONDS,
        )
        self._slots = asyncio.Semaphore(MAX_CONNECTIONS)
        self._is_closed = False
        #: the time of the last response
        self._responded = 0.0
        #: the time at which a request had timed out, and no other had a response meanwhile
        self._silent = 0.0

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[float]:
        """Wait until one request more may be in flight; gives the time when the wait began."""
        since = self._loop.time()
        async with self._slots:
            yield since

    async def exchange(self, since: float, method: str, path: str, body: bytes) -> Response:
        """Send a request that waits since a time; an `OSError` says why there is no response."""
        self._endpoint.check()
        if self._is_closed:
            raise ConnectionAbortedError("the client is closed")
        if self._silent > max(self._responded, since):
            raise TimeoutError  # the server has stopped answering
        handled = sys.exc_info()[1]
        try:
            response = await self._send(method, path, body)
        except httpcore.TimeoutException:
            now = self._loop.time()
            if self._responded < now - self._timeouts["read"]:
                self._silent = now
            raise TimeoutError from None
        except (httpcore.NetworkError, httpcore.ProtocolError) as error:
            if self._is_closed:
                raise ConnectionAbortedError("the client is closed") from None
            raise _reason(error, handled) from None
        self._responded = self._loop.time()
        return response

    async def close(self) -> None:
        """Close all connections; requests in flight fail."""
        self._is_closed = True
        await self._pool.aclose()

    async def _send(self, method: str, path: str, body: bytes) -> Response:
        endpoint = self._endpoint
        response = await self._pool.request(
            method,
            httpcore.URL(
                scheme="http" if endpoint.tls is None else "https",
                host=endpoint.host,
                port=endpoint.port,
                target=endpoint.path + path,
            ),
            headers=[*endpoint.headers.items(), ("Content-Length", str(len(body)))],
            content=body,
            extensions={"timeout": self._timeouts},
        )
        headers = {name.lower(): value for name, value in response.headers}
        location = headers.get(b"location")
        text = None if location is None else location.decode(errors="replace")
        return Response.of(response.status, response.content, text)


def _reason(error: Exception, handled: BaseException | None) -> OSError:
    """Return the error of the system behind an error of httpcore, if there is one.

    An error that the caller is handling is the last of the chain, and not the reason.
    """
    reason: BaseException | None = error
    found: OSError = ExchangeError(error)
    while reason is not None and reason is not handled:
        if isinstance(reason, OSError):
            found = reason
        reason = reason.__cause__ or reason.__context__
    return found
