"""Web servers that are no seamless-database, on a real port."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

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

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # head and body in one piece, which no delayed acknowledgement holds up

        def respond(self) -> None:
            asked = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            named = protocol is not None and b'"protocol"' in asked
            content = (protocol or "").encode() if named else body.encode()
            self.send_response(200 if named else status)
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_PUT = respond

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
