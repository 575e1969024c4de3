"""`SharedClient`: an HTTP connection pool for all threads, with a deadline for each request.

A connection must not be closed while a thread waits for a response on it: that thread would wait
until its deadline. So the last user of a closed pool closes its connections.

The timeouts of httpcore apply to single reads and writes, so a server that sends one byte from
time to time never exceeds them. The streams here limit each wait by the deadline of the request.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

import httpcore

from seamless.util.locks import new_lock

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterable, Iterator

    from seamless.stores.deadline import Deadline

__all__ = ["SharedClient"]

MAX_CONNECTIONS = 32
#: Seconds for opening a connection.
CONNECT_SECONDS = 5.0
#: Seconds after which an idle connection is closed.
IDLE_SECONDS = 5.0


@dataclass(eq=False)
class _Session:
    pool: httpcore.ConnectionPool
    users: int = 0
    #: one for each request in the pool, which searches all its waiting requests at each change
    slots: SimpleQueue[None] = field(default_factory=SimpleQueue)

    def __post_init__(self) -> None:
        for _ in range(MAX_CONNECTIONS):
            self.slots.put(None)


class SharedClient:
    """A connection pool that threads share. A forked child opens its own connections."""

    def __init__(self) -> None:
        #: guards `_session` and the number of its users
        self._lock = new_lock()
        self._session: _Session | None = None
        #: In a child, the sessions of its ancestors, which only those use and close. They are
        #: kept because deleting a socket that is not closed gives a ResourceWarning.
        self._inherited: list[_Session] = []
        #: the deadline of the request of this thread
        self._current = threading.local()

    def reset_after_fork(self) -> None:
        """Start without connections: the open ones belong to the parent process."""
        if self._session is not None:
            self._inherited = [*self._inherited, self._session]
            self._session = None

    @contextmanager
    def request(
        self,
        deadline: Deadline,
        method: str,
        url: str,
        *,
        headers: Iterable[tuple[str, str]] = (),
        content: bytes | None = None,
    ) -> Iterator[httpcore.Response]:
        """Send one request; the block reads the body of the response."""
        left = max(deadline.left(), 0.001)
        timeouts = {"connect": min(CONNECT_SECONDS, left), "read": left, "write": left}
        extensions = {"timeout": {**timeouts, "pool": left}}
        with self._use(left) as pool:
            self._current.deadline = deadline
            with pool.stream(
                method,
                url,
                headers=[("Accept", "*/*"), ("User-Agent", "seamless-core"), *headers],
                content=content,
                extensions=extensions,
            ) as response:
                yield response

    @contextmanager
    def _use(self, seconds: float) -> Iterator[httpcore.ConnectionPool]:
        """Use the pool for one request, as soon as it has a connection for it."""
        with self._lock:
            session = self._session
            if session is None:
                session = self._session = _Session(self._make())
            session.users += 1
        try:
            try:
                session.slots.get(timeout=seconds)
            except Empty:
                text = "all connections were used until the deadline"
                raise httpcore.PoolTimeout(text) from None
            try:
                yield session.pool
            finally:
                session.slots.put(None)
        finally:
            with self._lock:
                session.users -= 1
                unused = session is not self._session and session.users == 0
            if unused:
                session.pool.close()

    def close(self) -> None:
        """Close the connections when their last user is done; the next request opens new ones."""
        with self._lock:
            session, self._session = self._session, None
            idle = session is not None and session.users == 0
        if session is not None and idle:
            session.pool.close()

    def _make(self) -> httpcore.ConnectionPool:
        return httpcore.ConnectionPool(
            max_connections=MAX_CONNECTIONS,
            keepalive_expiry=IDLE_SECONDS,
            network_backend=_Network(lambda: self._current.deadline),
        )


class _Network(httpcore.NetworkBackend):
    """Connections whose waits are limited by a deadline."""

    def __init__(self, deadline: Callable[[], Deadline]) -> None:
        self._deadline = deadline
        self._network = httpcore.SyncBackend()

    def connect_tcp(self, *args: Any, **options: Any) -> httpcore.NetworkStream:
        return _Stream(self._network.connect_tcp(*args, **options), self._deadline)


class _Stream(httpcore.NetworkStream):
    def __init__(self, stream: httpcore.NetworkStream, deadline: Callable[[], Deadline]) -> None:
        self._stream = stream
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        left = self._deadline().left()
        if not left:
            raise httpcore.ReadTimeout("the request exceeded its deadline")
        return self._stream.read(max_bytes, left)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        # the method of the stream would allow the whole timeout for each part of the buffer
        socket, unsent = self._stream.get_extra_info("socket"), memoryview(buffer)
        deadline = self._deadline()
        try:
            while unsent:
                left = deadline.left()
                if not left:
                    raise httpcore.WriteTimeout("the request exceeded its deadline")
                socket.settimeout(left)
                sent = socket.send(unsent)
                deadline.extend_for(sent)
                unsent = unsent[sent:]
        except TimeoutError as error:
            raise httpcore.WriteTimeout(str(error)) from error
        except OSError as error:
            raise httpcore.WriteError(str(error)) from error

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        stream = self._stream.start_tls(ssl_context, server_hostname, timeout)
        return _Stream(stream, self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)
