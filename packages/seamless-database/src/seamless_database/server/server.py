"""Serve a database until a stop signal or an idle timeout; then stop in bounded time."""

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
from itertools import islice
from typing import TYPE_CHECKING, Any

import uvicorn

from seamless_database.http.app import create_app
from seamless_database.http.idle import IdleTracker
from seamless_database.http.limits import (
    LimitedHttpProtocol,
    Limits,
    new_connection,
    open_connections,
    shed_memory,
)
from seamless_database.http.request_body import MAX_BODY
from seamless_database.server import signals
from seamless_database.server.signals import STOP_SIGNALS

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator

    from seamless_database.http.app import Application
    from seamless_database.http.auth import Tokens
    from seamless_database.http.request_log import AccessLog
    from seamless_database.metrics.collect import Metrics
    from seamless_database.server.worker import WorkerContext
    from seamless_database.storage.backend import Backend

#: files that may be open beside connections, such as the database, which each reader opens
SPARE_FILES = 64
#: seconds in which an incomplete request may still arrive once the server stops
RECEIVE_GRACE = 1.5
#: seconds for all requests together; longer than the wait for a lock
STOP_GRACE = 8
#: seconds without accepting connections, after the system refused one
ACCEPT_PAUSE = 0.05
#: seconds in which clients have to read their responses
SEND_GRACE = 6.0
#: seconds in which a TLS client has to answer close_notify, once it has read everything
TLS_CLOSE_GRACE = 0.3
#: seconds between two publications of the status of a worker, if there is no idle timeout
PUBLISH_INTERVAL = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How to serve."""

    #: seconds without a request after which to stop; None for never
    timeout: float | None = None
    #: largest request body in bytes
    max_body: int = MAX_BODY
    #: what clients may use; the number of connections is lowered to what the system allows
    limits: Limits = field(default_factory=Limits)
    #: the accepted tokens; None to serve any client
    tokens: Tokens | None = None
    #: the TLS context of connections; None for plain HTTP
    tls: ssl.SSLContext | None = None
    #: the access log; None for no log
    log: AccessLog | None = None
    #: the context of this worker; None for a single process
    worker: WorkerContext | None = None


def serve(
    database: Backend,
    listeners: list[socket.socket],
    settings: Settings,
    on_ready: Callable[[], None] = lambda: None,
) -> None:
    """Run the server; returns when it has stopped.

    `on_ready` is called once, when requests are being answered; an error that it raises stops the
    server.
    """
    # the warnings of uvicorn report malformed HTTP, which is the fault of a client
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
    idle = IdleTracker()
    limits = settings.limits
    limits = replace(limits, connections=_raise_file_limit(limits.connections))
    app = create_app(
        database,
        max_body=settings.max_body,
        idle=idle,
        tokens=settings.tokens,
        log=settings.log,
        status_slot=None if settings.worker is None else settings.worker.status_slot,
        max_waiting=limits.connections // 2,
    )
    config = _config(app, limits, settings.tls)
    # a signal must not arrive between the former handlers and those of the event loop
    signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    try:
        _Server(config, idle, app.metrics, settings, on_ready).run(listeners)
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)


def _config(app: Application, limits: Limits, tls: ssl.SSLContext | None) -> uvicorn.Config:
    protocol: Any = partial(LimitedHttpProtocol, limits=limits)
    config = uvicorn.Config(
        app,
        interface="asgi3",
        http=protocol,
        loop="uvloop" if importlib.util.find_spec("uvloop") else "asyncio",
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=STOP_GRACE,
    )
    config.load()
    # the options of uvicorn would create another context, which asks for passphrases
    config.ssl = tls
    return config


class _Server(uvicorn.Server):
    def __init__(
        self,
        config: uvicorn.Config,
        idle: IdleTracker,
        metrics: Metrics,
        settings: Settings,
        on_ready: Callable[[], None],
    ) -> None:
        super().__init__(config)
        self._idle = idle
        self._metrics = metrics
        self._timeout = settings.timeout
        self._worker = settings.worker
        self._limits = settings.limits
        self._check_interval = min(1.0, settings.limits.request_timeout / 4)
        self._on_ready = on_ready
        #: tasks that run as long as the server; the loop itself holds them only weakly
        self._background: list[asyncio.Task[None]] = []
        self._connecting: set[asyncio.Task[None]] = set()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        # uvicorn would not know of a TLS connection before the end of its handshake
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
        self._background.append(loop.create_task(self._check_timeouts()))
        if self._worker is not None:
            loop.add_reader(self._worker.parent_pipe, self._stop)
            loop.add_reader(self._worker.fd_socket, self._adopt_connection, self._worker)
            self._background.append(loop.create_task(self._publish_status(self._worker)))
        elif self._timeout is not None:
            self._background.append(loop.create_task(self._stop_when_idle(self._timeout)))
        self._on_ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        loop = asyncio.get_running_loop()
        for listener in sockets or []:
            loop.remove_reader(listener)
        aborting = loop.create_task(self._abort_unresponsive())
        try:
            await super().shutdown(sockets)
        finally:
            aborting.cancel()
            for number in STOP_SIGNALS:
                loop.remove_signal_handler(number)
            # a closed loop would leave the default handlers, which end the process at once
            signals.ignore()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        # uvicorn would raise the signal again in the end, and the exit code would not be 0
        yield

    def _stop(self) -> None:
        if not self.should_exit:
            self.should_exit = True
            if self._worker is not None:
                self._stop_accepting(self._worker)
            loop = asyncio.get_running_loop()
            loop.call_later(RECEIVE_GRACE, self._idle.cancel_incomplete)

    async def _abort_unresponsive(self) -> None:
        """Abort clients that delay the shutdown: they do not close TLS, or read no response."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + SEND_GRACE
        while True:
            await asyncio.sleep(TLS_CLOSE_GRACE)
            now = loop.time()
            for connection in open_connections(self):
                # a TLS client with an idle connection never answers close_notify
                unclosed = connection.is_closing and not connection.unsent
                unread = connection.unsent and (now > deadline or connection.is_stalled(now))
                if unclosed or unread:
                    connection.transport.abort()

    async def _check_timeouts(self) -> None:
        while True:
            await asyncio.sleep(self._check_interval)
            connections = open_connections(self)
            for connection in connections:
                connection.check_timeouts()
            shed_memory(connections, self._limits.memory)

    def _stop_accepting(self, worker: WorkerContext) -> None:
        loop = asyncio.get_running_loop()
        # a pipe at EOF stays readable, and would call its handler again and again
        loop.remove_reader(worker.parent_pipe)
        loop.remove_reader(worker.fd_socket)
        for connection in worker.receive_connections():
            self._connect(connection)
        # from here on, the supervisor assigns connections to other workers
        worker.fd_socket.close()

    def _accept(self, listener: socket.socket) -> None:
        try:
            connection, _address = listener.accept()
        except (BlockingIOError, ConnectionAbortedError):
            pass  # the client has disconnected already
        except OSError:
            # the system lacks a resource, such as file descriptors; retrying without a pause would
            # keep a core busy
            loop = asyncio.get_running_loop()
            loop.remove_reader(listener)
            loop.call_later(ACCEPT_PAUSE, self._resume_accepting, listener)
        else:
            self._connect(connection)

    def _resume_accepting(self, listener: socket.socket) -> None:
        if not self.should_exit:
            asyncio.get_running_loop().add_reader(listener, self._accept, listener)

    def _adopt_connection(self, worker: WorkerContext) -> None:
        """Take one connection: the one closed in its favour frees its file in the next turns."""
        for connection in islice(worker.receive_connections(), 1):
            self._connect(connection)

    def _connect(self, connection: socket.socket) -> None:
        """Begin to serve a connection that this server or the supervisor has accepted."""
        protocol = new_connection(self)
        task = asyncio.get_running_loop().create_task(self._attach(connection, protocol))
        self._connecting.add(task)
        task.add_done_callback(partial(self._attached, connection, protocol))
        if self.config.ssl is not None:
            protocol.begin_handshake(task)

    async def _attach(self, connection: socket.socket, protocol: LimitedHttpProtocol) -> None:
        """Create the transport of a connection, after its TLS handshake if there is one."""
        tls = self.config.ssl
        # the client may have disconnected, may not speak TLS, or be too slow
        with contextlib.suppress(OSError):
            connection.setblocking(False)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: protocol,
                connection,
                ssl=tls,
                ssl_handshake_timeout=None if tls is None else self._limits.request_timeout,
            )

    def _attached(
        self, connection: socket.socket, protocol: LimitedHttpProtocol, task: asyncio.Task[None]
    ) -> None:
        self._connecting.discard(task)
        if not protocol.end_handshake():
            connection.close()

    async def _publish_status(self, worker: WorkerContext) -> None:
        """Publish the status of this worker; the supervisor compares the idle times of all."""
        interval = PUBLISH_INTERVAL
        if self._timeout is not None:
            interval = min(interval, self._timeout / 8)
        while True:
            self._metrics.publish(worker.status_slot, self._idle.idle_seconds())
            await asyncio.sleep(interval)

    async def _stop_when_idle(self, timeout: float) -> None:
        while (remaining := timeout - self._idle.idle_seconds()) > 0:  # noqa: ASYNC110  # a clock
            await asyncio.sleep(remaining)
        self._stop()


def _raise_file_limit(connections: int) -> int:
    """Raise the limit of open files for so many connections; returns how many are possible."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = connections + SPARE_FILES
    if soft != resource.RLIM_INFINITY and soft < needed:
        soft = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        return max(1, min(connections, soft - SPARE_FILES))
    return connections
