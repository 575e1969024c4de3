"""The Starlette application: one endpoint on any path, GET and HEAD to read, PUT to write.

A request skips Starlette's middleware and router, because a look-up of one row takes a few
microseconds and those would multiply it. Starlette runs the lifespan and rejects WebSockets.
"""

from __future__ import annotations

import asyncio
import gc
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, TypeVar

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect

from seamless_database.errors import (
    DatabaseClosedError,
    ReadOnlyError,
    UnavailableError,
)
from seamless_database.http import openapi
from seamless_database.http.idle import IdleTracker
from seamless_database.http.memory_budget import MemoryBudget
from seamless_database.http.request_body import (
    LARGE_BODY,
    MAX_BODY,
    BodyReader,
)
from seamless_database.http.request_log import METHODS, RequestContext, RequestRecorder
from seamless_database.http.responses import (
    CHUNK_SIZE,
    CLIENT_DISCONNECTED,
    JSON,
    NOT_FOUND,
    OK,
    Response,
    error_response,
    health_response,
    method_not_allowed,
)
from seamless_database.metrics import collect
from seamless_database.protocol.request import RequestFields, decode
from seamless_database.request_types import parse_read, parse_write

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from starlette.types import Receive, Scope, Send

    from seamless_database.http.auth import Tokens
    from seamless_database.http.request_log import AccessLog
    from seamless_database.metrics.worker_status import StatusSlot
    from seamless_database.request_types.base import ReadRequest
    from seamless_database.storage.backend import Backend

T = TypeVar("T")

HEALTHCHECK = "/healthcheck"
#: characters of a response above which it is large
LARGE_RESPONSE = 256 * 1024
#: bytes of memory that all large responses may hold together, from their reading to the last byte
LARGE_RESPONSES_MEMORY = 256 * 1024 * 1024
#: seconds that a large response waits for that memory
MEMORY_TIMEOUT = 30.0
#: reads that wait for a change at once; each keeps a connection
MAX_WAITING = 1000
#: seconds between two look-ups for a request that waits for a change: the first, and at most
FIRST_PAUSE, MAX_PAUSE = 0.02, 0.5


def create_app(
    database: Backend,
    *,
    max_body: int = MAX_BODY,
    idle: IdleTracker | None = None,
    tokens: Tokens | None = None,
    log: AccessLog | None = None,
    status_slot: StatusSlot | None = None,
    max_waiting: int = MAX_WAITING,
) -> Application:
    """Build the ASGI application that serves a database; without tokens, it serves any client.

    A worker process passes the slot of shared memory in which it publishes its metrics. At most
    `max_waiting` reads wait for a change at once; others are answered as it is.
    """
    return Application(
        database,
        max_body=max_body,
        idle=idle or IdleTracker(),
        tokens=tokens,
        recorder=RequestRecorder(log),
        status_slot=status_slot,
        max_waiting=max_waiting,
    )


@asynccontextmanager
async def _lifespan(app: Application) -> AsyncIterator[None]:
    yield
    app.close()


class Application(Starlette):
    """The application; build it with `create_app`."""

    def __init__(
        self,
        database: Backend,
        *,
        max_body: int,
        idle: IdleTracker,
        tokens: Tokens | None,
        recorder: RequestRecorder,
        status_slot: StatusSlot | None,
        max_waiting: int,
    ) -> None:
        super().__init__(lifespan=_lifespan)
        self.metrics = collect.Metrics(database, recorder.requests, status_slot)
        self._database = database
        self._tokens = tokens
        self._idle = idle
        self._bodies = BodyReader(max_body, idle)
        # one thread, because the values of one large body may take some hundred megabytes
        self._parser = ThreadPoolExecutor(1, thread_name_prefix="seamless-database-parser")
        self._recorder = recorder
        #: how many more reads may wait for a change
        self._may_wait = max_waiting
        self._memory = MemoryBudget(LARGE_RESPONSES_MEMORY)
        self._description = openapi.document(writable=database.writable, secured=tokens is not None)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or the lifespan of the server."""
        if scope["type"] != "http":
            await super().__call__(scope, receive, send)
            return
        if scope["path"] == collect.PATH and collect.is_scrape(scope):
            # a monitor keeps no idle server from stopping, and is not counted
            await self._serve_metrics(scope, send)
            return
        context = RequestContext(scope["method"], scope["path"], scope["client"])
        self._idle.request_started()
        try:
            response = await self._dispatch(scope, receive, context)
        except ClientDisconnect:
            response = None
        except BaseException as error:  # noqa: BLE001  # every request gets a response
            response = self._error_response(error)
        finally:
            self._idle.request_finished()
        try:
            size = 0 if response is None else await self._send(scope, send, response)
        finally:
            if context.memory:
                self._memory.give_back(context.memory)
        status = CLIENT_DISCONNECTED if response is None else response.status
        self._recorder.record(context, status, size)

    def close(self) -> None:
        """End the thread that parses large bodies."""
        self._parser.shutdown()

    async def _serve_metrics(self, scope: Scope, send: Send) -> None:
        try:
            if self._tokens is not None:
                self._tokens.check(scope["method"], scope["headers"])
            text, content_type = await self.metrics.render()
            response = Response(200, text, (b"content-type", content_type))
        except BaseException as error:  # noqa: BLE001  # every request gets a response
            response = self._error_response(error)
        await self._send(scope, send, response)

    def _error_response(self, error: BaseException) -> Response:
        """Return the response to an error; a cancellation is one only while the server stops."""
        if isinstance(error, asyncio.CancelledError) and self._idle.shutting_down:
            return error_response(DatabaseClosedError())
        if not isinstance(error, Exception):
            raise error
        return error_response(error)

    async def _dispatch(self, scope: Scope, receive: Receive, context: RequestContext) -> Response:
        method = context.method
        is_healthcheck = context.path == HEALTHCHECK and method in METHODS[:-1]
        if self._tokens is not None and not is_healthcheck:
            self._tokens.check(method, scope["headers"])
        if method == "PUT":
            if not self._database.writable:
                raise ReadOnlyError
            return await self._write(receive, context)
        if method not in METHODS:
            return method_not_allowed(writable=self._database.writable)
        if is_healthcheck:
            context.type = "healthcheck"
            return health_response(self._database.degraded_reason)
        return await self._read(receive, context)

    async def _read(self, receive: Receive, context: RequestContext) -> Response:
        body = await self._bodies.receive(receive)
        try:
            if not body and context.path == openapi.PATH:
                return Response(200, self._description, JSON)
            request = await self._parse(body, parse_read, context)
            text = await self._execute_read(request, receive)
            if text is not None and len(text) > LARGE_RESPONSE:
                size = sys.getsizeof(text)
                if not self._memory.try_take(size):
                    # many requests may wait, so none keeps its response in memory meanwhile
                    text = None
                    await self._wait_for_memory(size)
                context.memory = size
                text = text or await self._database.execute_read(request)
        finally:
            self._bodies.release(body)
        return NOT_FOUND if text is None else Response(200, text)

    async def _execute_read(self, request: ReadRequest, receive: Receive) -> str | None:
        """Answer a request, which may wait for a change that any server makes."""
        text = await self._database.execute_read(request)
        if not request.wait_seconds(text) or not self._may_wait:
            return text
        started, pause = time.monotonic(), FIRST_PAUSE
        # the body has been received, so that the next message is the end of the connection
        disconnected = asyncio.ensure_future(receive())
        self._may_wait -= 1
        try:
            while (wait := request.wait_seconds(text)) and not self._idle.shutting_down:
                left = started + wait - time.monotonic()
                if left <= 0:
                    break
                await asyncio.wait([disconnected], timeout=min(pause, left))
                if disconnected.done():
                    raise ClientDisconnect
                pause = min(1.5 * pause, MAX_PAUSE)
                text = await self._database.execute_read(request)
        finally:
            self._may_wait += 1
            disconnected.cancel()
        return text

    async def _wait_for_memory(self, size: int) -> None:
        try:
            with self._idle.receiving():
                await self._memory.take(size, MEMORY_TIMEOUT)
        except asyncio.TimeoutError:
            raise UnavailableError(
                "other large answers are still being sent; try again later"
            ) from None

    async def _write(self, receive: Receive, context: RequestContext) -> Response:
        body = await self._bodies.receive(receive)
        try:
            request = await self._parse(body, parse_write, context)
            text = await self._database.execute_write(request)
            if text is not None and len(text) > LARGE_RESPONSE:
                # it names keys of any length; what was stored cannot be stored again to name them
                size = sys.getsizeof(text)
                await self._wait_for_memory(size)
                context.memory = size
        finally:
            self._bodies.release(body)
        return OK if text is None else Response(200, text)

    async def _parse(
        self, body: bytes, check: Callable[[RequestFields], T], context: RequestContext
    ) -> T:
        """Parse a body, a large one in a thread."""
        if len(body) <= LARGE_BODY:
            return _parse(body, check, context)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._parser, _parse_large, body, check, context)

    async def _send(self, scope: Scope, send: Send, response: Response) -> int:
        """Send a response; returns the size of its body."""
        is_large = len(response.text) > CHUNK_SIZE
        last = b"" if is_large else response.body()
        size = await asyncio.to_thread(response.size) if is_large else len(last)
        headers = (response.content_type, (b"content-length", b"%d" % size), *response.headers)
        await send({"type": "http.response.start", "status": response.status, "headers": headers})
        if is_large and scope["method"] != "HEAD":
            for chunk in response.iter_chunks():
                # waits until the client has taken most of the previous chunks
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
                # give other requests a turn, even if the client takes everything at once
                await asyncio.sleep(0)
        await send({"type": "http.response.body", "body": last})
        return size


def _parse(body: bytes, check: Callable[[RequestFields], T], context: RequestContext) -> T:
    fields = decode(body)
    context.type = fields.request_type
    return check(fields)


def _parse_large(body: bytes, check: Callable[[RequestFields], T], context: RequestContext) -> T:
    # every pass of the collector over millions of new values would stop all threads
    gc.disable()
    try:
        return _parse(body, check, context)
    finally:
        gc.enable()
