"""Web servers that are no seamless-database, on a real port."""

from __future__ import annotations

import json
import socket
import threading
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

PROTOCOL = '["seamless", "database", "2.1"]'


@contextmanager
def other_server(
    body: str,
    *,
    status: int = 200,
    headers: dict[str, str] | None = None,
    protocol: str | None = None,
) -> Iterator[str]:
    """Serve one response to every request; yields the URL.

    With `protocol`, the server responds with that to requests for the protocol.
    """

    def respond(asked: bytes) -> tuple[int, str]:
        named = protocol is not None and b'"protocol"' in asked
        return (200, protocol or "") if named else (status, body)

    with _serving(respond, headers or {}) as url:
        yield url


@contextmanager
def scripted_server(
    respond: Callable[[dict[str, Any]], tuple[int, str]],
) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Serve what a function makes of each request; yields the URL and the requests so far.

    Requests for the protocol are answered as a seamless-database does.
    """
    requests: list[dict[str, Any]] = []

    def answer(asked: bytes) -> tuple[int, str]:
        request = json.loads(asked)
        requests.append(request)
        return (200, PROTOCOL) if request["type"] == "protocol" else respond(request)

    with _serving(answer, {}) as url:
        yield url, requests


@contextmanager
def raw_server(*connections: Sequence[bytes]) -> Iterator[str]:
    """Answer the requests of each connection with these bytes, then close it; yields the URL."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        for answers in connections:
            try:
                connection, _ = server.accept()
            except OSError:
                return  # the test made fewer connections
            with connection, connection.makefile("rb") as requests:
                for answer in answers:
                    head = list(iter(requests.readline, b"\r\n"))
                    (length,) = (int(line[15:]) for line in head if line[:15] == b"Content-Length:")
                    requests.read(length)
                    connection.sendall(answer)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
    finally:
        server.shutdown(socket.SHUT_RDWR)
        server.close()
        thread.join()


@contextmanager
def _serving(
    respond: Callable[[bytes], tuple[int, str]], headers: Mapping[str, str]
) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # head and body in one piece, which no delayed acknowledgement holds up

        def respond(self) -> None:
            status, body = respond(self.rfile.read(int(self.headers.get("Content-Length", "0"))))
            content = body.encode()
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            with suppress(ConnectionError):  # the client may have gone meanwhile
                self.wfile.write(content)
                self.wfile.flush()

        do_GET = do_PUT = respond

        def log_message(self, *args: object) -> None:
            pass

    server = _Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
