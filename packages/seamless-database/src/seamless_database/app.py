"""The Starlette app: one endpoint on any path, GET to read, PUT to write, errors → status.

It is plain ASGI below Starlette's own handling: a request costs a look-up of a few microseconds,
which the comfort of request and response objects would multiply.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect

from seamless_database import metrics, openapi
from seamless_database.access_log import Entry
from seamless_database.activity import Activity
from seamless_database.bodies import LARGE_BODY, MAX_BODY, Bodies
from seamless_database.checking import Checker
from seamless_database.errors import (
    DatabaseClosedError,
    DatabaseError,
    ReadOnlyError,
    RequestTooLargeError,
    UnauthorizedError,
    UnknownKeyError,
)
from seamless_database.figures import UNKNOWN, Requests
from seamless_database.protocol import Fields, decode
from seamless_database.records import READS, WRITES, reading, writing

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from starlette.types import Receive, Scope, Send

    from seamless_database.access_log import AccessLog
    from seamless_database.auth import Tokens
    from seamless_database.database import Database

T = TypeVar("T")

HEALTHCHECK = "/healthcheck"
METHODS = ("GET", "HEAD", "PUT")
#: what a request is counted as whose client went away before it was answered
GONE = 499
#: the types that requests are counted by; what a class of requests is called
TYPES = ("healthcheck", *READS, *WRITES)
_NAMES: dict[type, str] = {kind: name for table in (READS, WRITES) for name, kind in table.items()}

_TEXT = (b"content-type", b"text/plain; charset=utf-8")
_JSON = (b"content-type", b"application/json")
_CLOSE = (b"connection", b"close")
_SCHEMES = (b'Bearer realm="seamless-database"', b'Basic realm="seamless-database"')
_AUTHENTICATE = [(b"www-authenticate", scheme) for scheme in _SCHEMES]
_LOG = logging.getLogger(__name__)


class Answer(NamedTuple):
    """What a request is answered with."""

    status: int
    text: str
    content_type: tuple[bytes, bytes] = _TEXT


def create_app(
    database: Database,
    *,
    max_body: int = MAX_BODY,
    activity: Activity | None = None,
    tokens: Tokens | None = None,
    log: AccessLog | None = None,
) -> Starlette:
    """Build the ASGI app that serves a database; without tokens, to anybody."""
    checker = Checker()

    @contextlib.asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        yield
        checker.close()
        endpoint.close()

    app = Starlette(lifespan=lifespan)
    endpoint = _Endpoint(
        database, checker, activity or Activity(), max_body=max_body, tokens=tokens, log=log
    )
    # what no route claims: the protocol is spoken on every path
    app.router.default = endpoint
    return app


@dataclass(slots=True)
class _Exchange:
    """One request on its way, for those who count."""

    type: str = UNKNOWN
    begun: float = field(default_factory=time.perf_counter)


class _Endpoint:
    def __init__(
        self,
        database: Database,
        checker: Checker,
        activity: Activity,
        *,
        max_body: int,
        tokens: Tokens | None,
        log: AccessLog | None,
    ) -> None:
        self._database = database
        self._tokens = tokens
        self._bodies = Bodies(max_body, activity)
        self._checker = checker
        self._log = log
        self._requests = Requests(METHODS, TYPES)
        self._metrics = metrics.Metrics(database, self._requests)
        self._description = openapi.document(writable=database.writable, secured=tokens is not None)
        self._activity = activity
        self._allowed = METHODS if database.writable else METHODS[:-1]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close"})
            return
        if metrics.is_asked(scope):
            # who only watches keeps no server from stopping, and is not counted
            await self._respond(send, await self._answer(self._page(scope)))
            return
        exchange = _Exchange()
        self._activity.begin()
        try:
            answer = await self._answer(self._dispatch(scope, receive, exchange))
        except ClientDisconnect:
            self._note(scope, exchange, GONE, 0)
            return
        finally:
            self._activity.end()
        size = await self._respond(send, answer)
        self._note(scope, exchange, answer.status, size)

    def close(self) -> None:
        """Give up what nobody waits for any more."""
        self._metrics.close()

    def _note(self, scope: Scope, exchange: _Exchange, status: int, size: int) -> None:
        method, seconds = scope["method"], time.perf_counter() - exchange.begun
        self._requests.add(method, exchange.type, status, seconds)
        if self._log is not None:
            client = ":".join(map(str, scope["client"] or ()))
            request = (client, method, scope["path"], exchange.type)
            self._log.add(Entry(*request, status, size, seconds, time.time()))

    async def _page(self, scope: Scope) -> Answer:
        if self._tokens is not None:
            self._tokens.check(scope["method"], scope["headers"])
        text, content_type = await self._metrics.page()
        return Answer(200, text, (b"content-type", content_type))

    async def _answer(self, work: Awaitable[Answer]) -> Answer:
        """Answer anything; the one place where errors become a status."""
        try:
            return await work
        except DatabaseError as error:
            return Answer(error.status, f"ERROR: {error}")
        except asyncio.CancelledError:
            if not self._activity.dismissed:
                raise
            return Answer(DatabaseClosedError.status, f"ERROR: {DatabaseClosedError()}")
        except ClientDisconnect:
            raise
        except Exception:  # noqa: BLE001  # our mistake, whatever it is: it must be answered
            _LOG.exception("a request failed unexpectedly")
            return Answer(500, "ERROR: the server failed on this request; its log says why")

    async def _dispatch(self, scope: Scope, receive: Receive, exchange: _Exchange) -> Answer:
        method = scope["method"]
        healthcheck = scope["path"] == HEALTHCHECK and method in METHODS[:-1]
        if self._tokens is not None and not healthcheck:
            self._tokens.check(method, scope["headers"])
        if method == "PUT":
            if not self._database.writable:
                raise ReadOnlyError
            return await self._write(receive, exchange)
        if method not in METHODS:
            allowed = ", ".join(self._allowed)
            return Answer(405, f"ERROR: Method Not Allowed: use one of {allowed}")
        if healthcheck:
            exchange.type = "healthcheck"
            return Answer(200, "OK")
        return await self._read(receive, exchange, describe=scope["path"] == openapi.PATH)

    async def _respond(self, send: Send, answer: Answer) -> int:
        """Send an answer; returns the size of its body."""
        status = answer.status
        body = answer.text.encode(errors="backslashreplace")
        headers = [answer.content_type, (b"content-length", b"%d" % len(body))]
        if status == RequestTooLargeError.status:
            # the rest of the body may be still on its way
            headers.append(_CLOSE)
        elif status == ReadOnlyError.status:
            headers.append((b"allow", ", ".join(self._allowed).encode()))
        elif status == UnauthorizedError.status:
            headers += _AUTHENTICATE
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})
        return len(body)

    async def _read(self, receive: Receive, exchange: _Exchange, *, describe: bool) -> Answer:
        body = await self._bodies.receive(receive)
        try:
            if describe and not body:
                return Answer(200, self._description, _JSON)
            answer = await self._database.answer(await self._checked(body, reading, exchange))
        finally:
            self._bodies.release(body)
        if answer is None:
            raise UnknownKeyError("Unknown key")
        return Answer(200, answer)

    async def _write(self, receive: Receive, exchange: _Exchange) -> Answer:
        body = await self._bodies.receive(receive)
        try:
            await self._database.store(await self._checked(body, writing, exchange))
        finally:
            self._bodies.release(body)
        return Answer(200, "OK")

    async def _checked(self, body: bytes, check: Callable[[Fields], T], exchange: _Exchange) -> T:
        """Read a body and check its fields."""
        if len(body) <= LARGE_BODY:
            fields = decode(body)
            exchange.type = fields.kind
            return check(fields)
        request = await self._checker.check(check, body)
        exchange.type = _NAMES.get(type(request), UNKNOWN)
        return request
