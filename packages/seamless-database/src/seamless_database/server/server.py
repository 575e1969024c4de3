"""Serve a database until a signal comes or nobody asks any more; then stop in bounded time."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import logging
import resource
import signal
import socket
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, cast

import uvicorn

from seamless_database.http.app import Application, create_app
from seamless_database.http.fast_path import HeadCache
from seamless_database.http.idle import IdleTracker
from seamless_database.http.limits import LimitedHttpProtocol, Limits, shed
from seamless_database.http.request_body import MAX_BODY
from seamless_database.server import signals
from seamless_database.server.signals import STOP_SIGNALS

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator

    from seamless_database.http.access_log import AccessLog
    from seamless_database.http.auth import Tokens
    from seamless_database.metrics.collect import Metrics
    from seamless_database.server.worker import WorkerContext
    from seamless_database.storage.backend import Backend

#: files that may be open next to connections: the database, by every reader
SPARE_FILES = 64
#: seconds that a half-received request gets to arrive once we are to stop
RECEIVE_GRACE = 1.5
#: seconds for all requests together; longer than the wait for a lock
STOP_GRACE = 8
#: seconds without accepting connections, when the system refuses one
ACCEPT_PAUSE = 0.05
#: seconds for a client to take its answers
SEND_GRACE = 6.0
#: seconds for a client to say goodbye, once it has got all it is to get
TLS_CLOSE_GRACE = 0.3


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How to serve."""

    #: seconds without any request after which to stop; None to go on for ever
    timeout: float | None = None
    #: bytes that the body of a request may have
    max_body: int = MAX_BODY
    #: what clients may take; of connections, as many as the system lets us have
    limits: Limits = field(default_factory=Limits)
    #: those that are let in; None for anybody
    tokens: Tokens | None = None
    #: what to wrap connections with; None for plain HTTP
    tls: ssl.SSLContext | None = None
    #: where to write a line about each request; None for nowhere
    log: AccessLog | None = None
    #: our place, if we are one of several workers
    worker: WorkerContext | None = None


def serve(
    database: Backend,
    listeners: list[socket.socket],
    settings: Settings,
    on_ready: Callable[[], None] = lambda: None,
) -> None:
    """Run the server; returns when it has stopped.

    `on_ready` is called once, when requests are being answered; what it raises ends the server.
    """
    # uvicorn's own warnings tell of malformed HTTP, which is the client's business
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
    activity = IdleTracker()
    limits = settings.limits
    limits = replace(limits, connections=_possible_connections(limits.connections))
    app = create_app(
        database,
        max_body=settings.max_body,
        activity=activity,
        tokens=settings.tokens,
        log=settings.log,
        worker=settings.worker,
    )
    config = _config(app, limits, settings.tls)
    # a signal must not fall between the handlers of before and those of the event loop
    signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    try:
        _Server(config, activity, app.metrics, settings, on_ready).run(listeners)
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)


def _config(app: Application, limits: Limits, tls: ssl.SSLContext | None) -> uvicorn.Config:
    protocol: Any = partial(
        LimitedHttpProtocol, limits=limits, short_way=HeadCache(app.small_requests)
    )
    config = uvicorn.Config(
        app,
        http=protocol,
        loop=_loop(),
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=int(limits.idle),
        timeout_graceful_shutdown=STOP_GRACE,
    )
    config.load()
    # uvicorn's own options would make another one, which asks for passphrases
    config.ssl = tls
    return config


class _Server(uvicorn.Server):
    def __init__(
        self,
        config: uvicorn.Config,
        activity: IdleTracker,
        metrics: Metrics,
        settings: Settings,
        on_ready: Callable[[], None],
    ) -> None:
        super().__init__(config)
        self._activity = activity
        self._metrics = metrics
        self._timeout = settings.timeout
        self._worker = settings.worker
        self._limits = settings.limits
        self._look_every = min(1.0, settings.limits.patience / 4)
        self._on_ready = on_ready
        self._watch: asyncio.Task[None] | None = None
        self._looking: asyncio.Task[None] | None = None
        self._connecting: set[asyncio.Task[None]] = set()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        # uvicorn would not know of a TLS connection before its handshake has ended
        listeners = [] if self.config.ssl is None else sockets or []
        await super().startup([] if listeners else sockets)
        loop = asyncio.get_running_loop()
        for listener in listeners:
            loop.add_reader(listener, self._accept, listener)
        for number in STOP_SIGNALS:
            # a launcher may have had a signal ignored on purpose, as nohup does
            if signal.getsignal(number) is not signal.SIG_IGN:
                loop.add_signal_handler(number, self._stop)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)
        self._looking = loop.create_task(self._check_timeouts())
        if self._worker is not None:
            loop.add_reader(self._worker.parent_pipe, self._stop)
            loop.add_reader(self._worker.fd_socket, self._adopt_connections, self._worker)
            self._watch = loop.create_task(self._publish_status(self._worker))
        elif self._timeout is not None:
            self._watch = loop.create_task(self._stop_when_idle(self._timeout))
        self._on_ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        loop = asyncio.get_running_loop()
        for listener in sockets or []:
            loop.remove_reader(listener)
        hanging_up = loop.create_task(self._abort_tls())
        try:
            await super().shutdown(sockets)
        finally:
            hanging_up.cancel()
            for number in STOP_SIGNALS:
                loop.remove_signal_handler(number)
            # the loop, once closed, would leave the default, which ends the process at once
            signals.ignore()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        # uvicorn would raise the signal again after it has stopped, and we would not end with 0
        yield

    def _stop(self) -> None:
        if not self.should_exit:
            self.should_exit = True
            if self._worker is not None:
                self._stop_accepting(self._worker)
            asyncio.get_running_loop().call_later(RECEIVE_GRACE, self._activity.dismiss)

    async def _abort_tls(self) -> None:
        """Let go of clients that hold up the end: that say no goodbye, or take no answer."""
        loop = asyncio.get_running_loop()
        last = loop.time() + SEND_GRACE
        while True:
            await asyncio.sleep(TLS_CLOSE_GRACE)
            now = loop.time()
            for connection in self._connections():
                # TLS clients with an idle connection never say goodbye
                silent = connection.is_closing and not connection.unsent
                if silent or (connection.unsent and (now > last or connection.is_stalled(now))):
                    connection.transport.abort()

    def _connections(self) -> list[LimitedHttpProtocol]:
        found = self.server_state.connections
        return [each for each in found if isinstance(each, LimitedHttpProtocol)]

    async def _check_timeouts(self) -> None:
        while True:
            await asyncio.sleep(self._look_every)
            connections = self._connections()
            for connection in connections:
                connection.look()
            shed(connections, self._limits.memory)

    def _stop_accepting(self, worker: WorkerContext) -> None:
        loop = asyncio.get_running_loop()
        # what has come to its end would call again and again
        loop.remove_reader(worker.parent_pipe)
        loop.remove_reader(worker.fd_socket)
        self._adopt_connections(worker)
        # from here on, connections go to others
        worker.fd_socket.close()

    def _accept(self, listener: socket.socket) -> None:
        try:
            connection, _address = listener.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return
        except OSError:
            # the system lacks something that a connection needs; trying without pause would keep
            # a core busy until it has it again
            loop = asyncio.get_running_loop()
            loop.remove_reader(listener)
            loop.call_later(ACCEPT_PAUSE, self._accept_again, listener)
            return
        self._connect(connection)

    def _accept_again(self, listener: socket.socket) -> None:
        if not self.should_exit:
            asyncio.get_running_loop().add_reader(listener, self._accept, listener)

    def _adopt_connections(self, worker: WorkerContext) -> None:
        for connection in worker.connections():
            self._connect(connection)

    def _connect(self, connection: socket.socket) -> None:
        """Begin to serve a connection that was accepted by us or by the supervisor."""
        loop, kind = asyncio.get_running_loop(), cast("Any", self.config.http_protocol_class)
        protocol: LimitedHttpProtocol = kind(
            config=self.config,
            server_state=self.server_state,
            app_state=self.lifespan.state,
            _loop=loop,
        )
        task = loop.create_task(self._attach(connection, protocol))
        # the loop itself holds on to it only loosely
        self._connecting.add(task)
        task.add_done_callback(partial(self._attached, connection, protocol))
        if self.config.ssl is not None:
            protocol.begin_handshake(task)

    async def _attach(self, connection: socket.socket, protocol: LimitedHttpProtocol) -> None:
        """Do for a connection what uvicorn does for one that it has accepted."""
        tls = self.config.ssl
        try:
            connection.setblocking(False)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: protocol,
                connection,
                ssl=tls,
                ssl_handshake_timeout=None if tls is None else self._limits.patience,
            )
        except OSError:
            # the client has gone, speaks no TLS, or was too slow
            return

    def _attached(
        self, connection: socket.socket, protocol: LimitedHttpProtocol, task: asyncio.Task[None]
    ) -> None:
        self._connecting.discard(task)
        if not protocol.end_handshake():
            connection.close()

    async def _publish_status(self, worker: WorkerContext) -> None:
        """Let the other workers know how we do; together we may be idle for long enough."""
        while True:
            self._metrics.publish(worker, self._activity.idle())
            await asyncio.sleep(min(1.0, (self._timeout or 8.0) / 8))

    async def _stop_when_idle(self, timeout: float) -> None:
        while (remaining := timeout - self._activity.idle()) > 0:  # noqa: ASYNC110  # no event: time
            await asyncio.sleep(remaining)
        self._stop()


def _possible_connections(wanted: int) -> int:
    """Ask for as many open files as that takes; tell how many connections we can have."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = wanted + SPARE_FILES
    if soft != resource.RLIM_INFINITY and soft < needed:
        soft = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        return max(1, min(wanted, soft - SPARE_FILES))
    return wanted


def _loop() -> Literal["uvloop", "asyncio"]:
    return "uvloop" if _installed("uvloop") else "asyncio"


def _installed(name: str) -> bool:
    return importlib.util.find_spec(name) is not None
