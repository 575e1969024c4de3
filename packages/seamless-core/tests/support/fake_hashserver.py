"""A fake hashserver on a raw socket: responses that are late, truncated or invalid.

The real hashserver, which sends none of these, is tested in `tests-integration`.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

Behaviour = Callable[[socket.socket], None]


class answering:
    """Respond with a body, whose Content-Length may differ from its size.

    With `keep` the connection stays open for more requests, which get the same response.
    """

    def __init__(
        self, body: bytes, status: str = "200 OK", *, length: int | None = None, keep: bool = False
    ) -> None:
        announced = len(body) if length is None else length
        head = f"HTTP/1.1 {status}\r\nContent-Length: {announced}\r\n"
        head += "\r\n" if keep else "Connection: close\r\n\r\n"
        self.answer = head.encode() + body
        self.keep = keep

    def __call__(self, connection: socket.socket) -> None:
        connection.sendall(self.answer)


def garbage(connection: socket.socket) -> None:
    """Respond with bytes that are not HTTP."""
    connection.sendall(b"\x00\x01\x02 what is this?\r\n\r\n")


def hang_up(_connection: socket.socket) -> None:
    """Close the connection without a response."""


class Script:
    """The behaviour towards each connection in turn; the last one is used for all others."""

    def __init__(self, *behaviours: Behaviour) -> None:
        self.behaviours = list(behaviours)
        self.requests: list[bytes] = []
        #: number of accepted connections, and the threads that serve them
        self.connections = 0
        self.threads: list[threading.Thread] = []
        #: set at the end of the test; ends behaviours that keep a client waiting
        self.over = threading.Event()
        self.url = ""

    def all_closed(self, seconds: float = 30) -> bool:
        """Return whether all connections are closed within a time."""
        deadline = time.monotonic() + seconds
        while len(self.threads) < self.connections or any(t.is_alive() for t in self.threads):
            if time.monotonic() > deadline:
                return False
            time.sleep(0.01)
        return True

    def silent(self, _connection: socket.socket) -> None:
        """Send nothing until the end of the test."""
        self.over.wait()

    def trickling(self, connection: socket.socket) -> None:
        """Announce a large body, and send a byte from time to time."""
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
        while not self.over.wait(0.02):
            connection.sendall(b"x")


@contextmanager
def running(script: Script) -> Iterator[Script]:
    """Run a script on a free port."""
    listener = socket.create_server(("127.0.0.1", 0))
    script.url = f"http://127.0.0.1:{listener.getsockname()[1]}"

    sockets: list[socket.socket] = []

    def serve(connection: socket.socket, behave: Behaviour) -> None:
        with connection:
            try:
                script.requests.append(_request(connection))
                behave(connection)
                while getattr(behave, "keep", False):
                    script.requests.append(_request(connection))
                    behave(connection)
            except OSError:  # the client has closed the connection
                return

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:  # the listener is shut down
                return
            behave = script.behaviours[0]
            if len(script.behaviours) > 1:
                script.behaviours.pop(0)
            script.connections += 1
            sockets.append(connection)
            thread = threading.Thread(target=serve, args=(connection, behave))
            thread.start()
            script.threads.append(thread)

    acceptor = threading.Thread(target=accept)
    acceptor.start()
    try:
        yield script
    finally:
        script.over.set()
        listener.shutdown(socket.SHUT_RDWR)
        acceptor.join()
        listener.close()
        for connection in sockets:
            with suppress(OSError):  # closed already
                connection.shutdown(socket.SHUT_RDWR)
        for thread in script.threads:
            thread.join()


def _request(connection: socket.socket) -> bytes:
    """Read a request with its body, so that closing the connection does not reset it."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += _more(connection)
    head, _, rest = data.partition(b"\r\n\r\n")
    body = bytearray(rest)
    length = 0
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            length = int(line.split(b":")[1])
    while len(body) < length:
        body += _more(connection)
    return head


def _more(connection: socket.socket) -> bytes:
    data = connection.recv(65536)
    if not data:
        raise ConnectionResetError
    return data
