"""The Starlette app: one endpoint on any path, GET to read, PUT to write, errors → status.

It is plain ASGI below Starlette's own handling: a request costs a look-up of a few microseconds,
which the comfort of request and response objects would multiply.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, TypeVar

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect

from seamless_database.activity import Activity
from seamless_database.errors import (
    DatabaseClosedError,
    DatabaseError,
    ReadOnlyError,
    RequestTooLargeError,
    UnauthorizedError,
    UnknownKeyError,
)
from seamless_database.protocol import Fields, decode
from seamless_database.records import reading, writing

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import Receive, Scope, Send

    from seamless_database.auth import Tokens
    from seamless_database.database import Database

T = TypeVar("T")
Answer = tuple[int, str]

#: bytes of a body that are taken by default
MAX_BODY = 64 * 1024 * 1024
#: bodies above are read in a thread, so that other requests go on
LARGE_BODY = 256 * 1024
HEALTHCHECK = "/healthcheck"
METHODS = ("GET", "HEAD", "PUT")

_TEXT = (b"content-type", b"text/plain; charset=utf-8")
_CLOSE = (b"connection", b"close")
_SCHEMES = (b'Bearer realm="seamless-database"', b'Basic realm="seamless-database"')
_AUTHENTICATE = [(b"www-authenticate", scheme) for scheme in _SCHEMES]
_LOG = logging.getLogger(__name__)


def create_app(
    database: Database,
    *,
    max_body: int = MAX_BODY,
    activity: Activity | None = None,
    tokens: Tokens | None = None,
) -> Starlette:
    """Build the ASGI app that serves a database; without tokens, to anybody."""
    app = Starlette()
    # what no route claims: the protocol is spoken on every path
    app.router.default = _Endpoint(database, max_body, activity or Activity(), tokens)
    return app


class _Endpoint:
    def __init__(
        self, database: Database, max_body: int, activity: Activity, tokens: Tokens | None
    ) -> None:
        self._database = database
        self._tokens = tokens
        self._max_body = max_body
        self._activity = activity
        self._allowed = METHODS if database.writable else METHODS[:-1]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close"})
            return
        self._activity.begin()
        try:
            status, text = await self._answer(scope, receive)
        except ClientDisconnect:
            return
        finally:
            self._activity.end()
        await self._respond(send, status, text)

    async def _answer(self, scope: Scope, receive: Receive) -> Answer:
        """Answer anything; the one place where errors become a status."""
        try:
            return await self._dispatch(scope, receive)
        except DatabaseError as error:
            return error.status, f"ERROR: {error}"
        except asyncio.CancelledError:
            if not self._activity.dismissed:
                raise
            return DatabaseClosedError.status, f"ERROR: {DatabaseClosedError()}"
        except ClientDisconnect:
            raise
        except Exception:  # noqa: BLE001  # our mistake, whatever it is: it must be answered
            _LOG.exception("a request failed unexpectedly")
            return 500, "ERROR: the server failed on this request; its log says why"

    async def _dispatch(self, scope: Scope, receive: Receive) -> Answer:
        method = scope["method"]
        healthcheck = scope["path"] == HEALTHCHECK and method in METHODS[:-1]
        if self._tokens is not None and not healthcheck:
            self._tokens.check(method, scope["headers"])
        if method == "PUT":
            if not self._database.writable:
                raise ReadOnlyError
            body = await self._body(receive)
            await self._database.store(await _checked(body, writing))
            return 200, "OK"
        if method not in METHODS:
            return 405, f"ERROR: Method Not Allowed: use one of {', '.join(self._allowed)}"
        if healthcheck:
            return 200, "OK"
        body = await self._body(receive)
        answer = await self._database.answer(await _checked(body, reading))
        if answer is None:
            raise UnknownKeyError("Unknown key")
        return 200, answer

    async def _body(self, receive: Receive) -> bytes:
        """Receive the body; one that is too large is received to its end, up to a point."""
        chunks: list[bytes] = []
        size, more = 0, True
        with self._activity.receiving():
            while more and size <= 2 * self._max_body:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise ClientDisconnect
                chunk, more = message.get("body", b""), message.get("more_body", False)
                size += len(chunk)
                if size <= self._max_body:
                    chunks.append(chunk)
        if size > self._max_body:
            raise RequestTooLargeError(self._max_body)
        return b"".join(chunks)

    async def _respond(self, send: Send, status: int, text: str) -> None:
        body = text.encode(errors="backslashreplace")
        headers = [_TEXT, (b"content-length", b"%d" % len(body))]
        if status == RequestTooLargeError.status:
            # the rest of the body may be still on its way
            headers.append(_CLOSE)
        elif status == ReadOnlyError.status:
            headers.append((b"allow", ", ".join(self._allowed).encode()))
        elif status == UnauthorizedError.status:
            headers += _AUTHENTICATE
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})


async def _checked(body: bytes, check: Callable[[Fields], T]) -> T:
    """Read a body and check its fields."""
    if len(body) <= LARGE_BODY:
        return check(decode(body))
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(None, lambda: check(decode(body)))
