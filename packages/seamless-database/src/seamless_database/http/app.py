"""The Starlette app: one endpoint on any path, GET to read, PUT to write, errors → status.

It is plain ASGI below Starlette's own handling: a request costs a look-up of a few microseconds,
which the comfort of request and response objects would multiply.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect

from seamless_database.errors import (
    DatabaseClosedError,
    ReadOnlyError,
    RequestTooLargeError,
    UnauthorizedError,
    UnavailableError,
)
from seamless_database.http import openapi
from seamless_database.http.fast_path_handler import FastPathHandler
from seamless_database.http.idle import IdleTracker
from seamless_database.http.memory_budget import MemoryBudget
from seamless_database.http.request_body import LARGE_BODY, MAX_BODY, BodyReader
from seamless_database.http.request_log import METHODS, RequestContext, RequestRecorder
from seamless_database.http.responses import (
    CHUNK_SIZE,
    JSON,
    NOT_FOUND,
    OK,
    Response,
    error_response,
)
from seamless_database.metrics import collect
from seamless_database.protocol.request import RequestFields, decode
from seamless_database.request_types import parse_read, parse_write

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from starlette.types import Receive, Scope, Send

    from seamless_database.http.access_log import AccessLog
    from seamless_database.http.auth import Tokens
    from seamless_database.server.worker import WorkerContext
    from seamless_database.storage.backend import Backend

T = TypeVar("T")

HEALTHCHECK = "/healthcheck"
#: what a request is counted as whose client went away before it was answered
GONE = 499
#: characters of an answer above which it counts as large
LARGE_ANSWER = 256 * 1024
#: bytes of memory that all large answers may take together, from their reading to their last byte
LARGE_ANSWERS = 256 * 1024 * 1024
#: seconds that a large answer waits for others
MEMORY_WAIT = 30.0

_CLOSE = (b"connection", b"close")
_SCHEMES = (b'Bearer realm="seamless-database"', b'Basic realm="seamless-database"')
_AUTHENTICATE = [(b"www-authenticate", scheme) for scheme in _SCHEMES]


class Application(Starlette):
    """The app, and a shorter way to it for a server that can use one."""

    small_requests: FastPathHandler
    metrics: collect.Metrics


def create_app(
    database: Backend,
    *,
    max_body: int = MAX_BODY,
    activity: IdleTracker | None = None,
    tokens: Tokens | None = None,
    log: AccessLog | None = None,
    worker: WorkerContext | None = None,
) -> Application:
    """Build the ASGI app that serves a database; without tokens, to anybody.

    A seat is the place of one worker among several; whoever has it posts the metrics there.
    """

    @contextlib.asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        yield
        endpoint.close()

    app = Application(lifespan=lifespan)
    tally = RequestRecorder(activity or IdleTracker(), log)
    app.metrics = collect.Metrics(database, tally.requests, worker)
    endpoint = _Endpoint(database, tally, app.metrics, max_body=max_body, tokens=tokens)
    app.small_requests = FastPathHandler(database, tally, tokens, max_body)
    # what no route claims: the protocol is spoken on every path
    app.router.default = endpoint
    return app


class _Endpoint:
    def __init__(
        self,
        database: Backend,
        tally: RequestRecorder,
        metrics: collect.Metrics,
        *,
        max_body: int,
        tokens: Tokens | None,
    ) -> None:
        self._database = database
        self._tokens = tokens
        self._activity = tally.activity
        self._bodies = BodyReader(max_body, tally.activity)
        # one at a time, because the values of one large body may take some hundred megabytes
        self._parser = ThreadPoolExecutor(1, thread_name_prefix="seamless-database-parser")
        self._tally = tally
        self._metrics = metrics
        self._memory = MemoryBudget(LARGE_ANSWERS)
        self._description = openapi.document(writable=database.writable, secured=tokens is not None)
        self._allowed = METHODS if database.writable else METHODS[:-1]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close"})
            return
        if collect.is_scrape(scope):
            # who only watches keeps no server from stopping, and is not counted
            await self._respond(scope, send, await self._answer(self._page(scope)))
            return
        exchange = RequestContext(scope["method"], scope["path"], scope["client"])
        self._activity.begin()
        try:
            answer = await self._answer(self._dispatch(scope, receive, exchange))
        except ClientDisconnect:
            self._memory.give_back(exchange.memory)
            self._tally.record(exchange, GONE, 0)
            return
        finally:
            self._activity.end()
        try:
            size = await self._respond(scope, send, answer)
        finally:
            if exchange.memory:
                self._memory.give_back(exchange.memory)
        self._tally.record(exchange, answer.status, size)

    def close(self) -> None:
        """Stop counting rows, and end the thread that parses large bodies."""
        self._metrics.close()
        self._parser.shutdown()

    async def _page(self, scope: Scope) -> Response:
        if self._tokens is not None:
            self._tokens.check(scope["method"], scope["headers"])
        text, content_type = await self._metrics.render()
        return Response(200, text, (b"content-type", content_type))

    async def _answer(self, work: Awaitable[Response]) -> Response:
        """Answer anything; the one place where errors become a status."""
        try:
            return await work
        except asyncio.CancelledError:
            if not self._activity.dismissed:
                raise
            return error_response(DatabaseClosedError())
        except ClientDisconnect:
            raise
        except Exception as error:  # noqa: BLE001  # whatever it is, it must be answered
            return error_response(error)

    async def _dispatch(self, scope: Scope, receive: Receive, exchange: RequestContext) -> Response:
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
            return Response(405, f"ERROR: Method Not Allowed: use one of {allowed}")
        if healthcheck:
            exchange.type = "healthcheck"
            return _health(self._database.degraded_reason)
        return await self._read(receive, exchange, describe=scope["path"] == openapi.PATH)

    async def _respond(self, scope: Scope, send: Send, answer: Response) -> int:
        """Send an answer; returns the size of its body."""
        status = answer.status
        large = len(answer.text) > CHUNK_SIZE
        last = b"" if large else answer.body()
        size = await asyncio.to_thread(answer.size) if large else len(last)
        headers = [answer.content_type, (b"content-length", b"%d" % size)]
        if status == RequestTooLargeError.status:
            # the rest of the body may be still on its way
            headers.append(_CLOSE)
        elif status == ReadOnlyError.status:
            headers.append((b"allow", ", ".join(self._allowed).encode()))
        elif status == UnauthorizedError.status:
            headers += _AUTHENTICATE
        await send({"type": "http.response.start", "status": status, "headers": headers})
        if large and scope["method"] != "HEAD":
            for piece in answer.iter_chunks():
                # waits until the client has taken most of what there was before
                await send({"type": "http.response.body", "body": piece, "more_body": True})
                # other requests have their turn, also if the client takes everything at once
                await asyncio.sleep(0)
        await send({"type": "http.response.body", "body": last})
        return size

    async def _read(
        self, receive: Receive, exchange: RequestContext, *, describe: bool
    ) -> Response:
        body = await self._bodies.receive(receive)
        try:
            if describe and not body:
                return Response(200, self._description, JSON)
            request = await self._checked(body, parse_read, exchange)
            answer = await self._database.execute_read(request)
            if answer is not None and len(answer) > LARGE_ANSWER:
                size = sys.getsizeof(answer)
                if not self._memory.try_take(size):
                    # so many of them might wait that none may stay in memory meanwhile
                    answer = None
                    await self._wait_for_memory(size)
                exchange.memory = size
                answer = answer or await self._database.execute_read(request)
        finally:
            self._bodies.release(body)
        return NOT_FOUND if answer is None else Response(200, answer)

    async def _wait_for_memory(self, size: int) -> None:
        try:
            with self._activity.receiving():
                await self._memory.take(size, MEMORY_WAIT)
        except asyncio.TimeoutError:
            raise UnavailableError(
                "other large answers are still being sent; try again later"
            ) from None

    async def _write(self, receive: Receive, exchange: RequestContext) -> Response:
        body = await self._bodies.receive(receive)
        try:
            await self._database.execute_write(await self._checked(body, parse_write, exchange))
        finally:
            self._bodies.release(body)
        return OK

    async def _checked(
        self, body: bytes, check: Callable[[RequestFields], T], exchange: RequestContext
    ) -> T:
        """Parse a body and check its fields, a large one in a thread."""
        if len(body) <= LARGE_BODY:
            return _parse(body, check, exchange)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._parser, _parse_large, body, check, exchange)


def _parse(body: bytes, check: Callable[[RequestFields], T], exchange: RequestContext) -> T:
    fields = decode(body)
    exchange.type = fields.request_type
    return check(fields)


def _parse_large(body: bytes, check: Callable[[RequestFields], T], exchange: RequestContext) -> T:
    # every pass of the collector over millions of new values would stop all threads
    gc.disable()
    try:
        return _parse(body, check, exchange)
    finally:
        gc.enable()


def _health(degraded_reason: str | None) -> Response:
    """Say whether requests can be done, for those who choose between servers."""
    if degraded_reason is None:
        return OK
    return Response(UnavailableError.status, f"ERROR: degraded: {degraded_reason}")
