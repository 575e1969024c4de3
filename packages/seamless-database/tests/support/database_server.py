"""A real server in a process of its own, on a real port, for the tests."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType

#: seconds that anything may take on a busy machine before a test gives up
TIMEOUT = 40


@dataclass(frozen=True)
class Response:
    """What the server answered."""

    status: int
    text: str
    headers: dict[str, str]

    def json(self) -> Any:
        return json.loads(self.text)


def shared(*parts: str) -> Path:
    """Locate something in the folder of shared facts beside the checkout."""
    beside = Path(__file__).resolve().parents[5] / "shared"
    return Path(os.environ.get("SEAMLESS_SHARED", beside)).joinpath(*parts)


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + TIMEOUT
    while not condition():
        assert time.monotonic() < deadline, "it never came to that"
        time.sleep(0.02)


@contextmanager
def full_pipe() -> Iterator[tuple[int, int]]:
    """A pipe that holds all that it can, as reading and writing end: the next write blocks."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    with suppress(BlockingIOError):
        while True:
            os.write(writer, b"." * 4096)
    os.set_blocking(writer, True)
    try:
        yield reader, writer
    finally:
        os.close(reader)
        os.close(writer)


@contextmanager
def silent_clients(
    server: Server, count: int, *, first: bytes = b""
) -> Iterator[list[socket.socket]]:
    """Connections that send nothing, or only the first bytes of something, and read nothing."""
    with ExitStack() as stack:
        clients = []
        for _ in range(count):
            address = (server.host, server.port)
            client = stack.enter_context(socket.create_connection(address, timeout=TIMEOUT))
            client.sendall(first)
            clients.append(client)
        yield clients


@contextmanager
def stalled_readers(server: Server, request: bytes, count: int) -> Iterator[list[socket.socket]]:
    """Connections that send a request and read none of its answer, of which little fits between."""
    with ExitStack() as stack:
        clients = []
        for _ in range(count):
            client = stack.enter_context(socket.socket())
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.settimeout(TIMEOUT)
            client.connect((server.host, server.port))
            client.sendall(request)
            clients.append(client)
        yield clients


def http_request(kind: str, **fields: object) -> bytes:
    """A request as it is sent: a PUT if it has a value."""
    body = json.dumps({"type": kind, **fields}).encode()
    method = b"PUT" if "value" in fields else b"GET"
    return b"%b / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%b" % (method, len(body), body)


class Server:
    """`python -m seamless_database`; a context manager that ends it."""

    command: tuple[str, ...] = (sys.executable, "-m", "seamless_database")

    def __init__(
        self,
        file: Path | str,
        *options: str,
        writable: bool = True,
        wait: bool = True,
        action: signal.Handlers = signal.SIG_DFL,
        open_files: int | str | None = None,
    ) -> None:
        words = [*self.command, str(file), *options]
        if open_files is not None:
            words = ["sh", "-c", f'ulimit -n {open_files} && exec "$@"', "sh", *words]
        if writable:
            words.append("--writable")
        if not {"--port", "--port-range"} & set(options):
            words += ["--port", "0"]
        if "--host" not in options:
            words += ["--host", "127.0.0.1"]
        # what this process ignores, nohup's hangup for one, its children would ignore as well
        kept = {number: signal.signal(number, action) for number in (signal.SIGHUP, signal.SIGINT)}
        try:
            self.process = subprocess.Popen(
                words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
            )
        finally:
            for number, handler in kept.items():
                signal.signal(number, handler)
        self.lines: list[str] = []
        self.port = 0
        self._ended: tuple[int, str] | None = None
        self.scheme, self.host = "http", ""
        self._local = threading.local()
        self._connections: list[http.client.HTTPConnection] = []
        if wait:
            self.wait_until_ready()

    def wait_until_ready(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))
            if match := re.search(r"(https?)://(?:\[(.*?)\]|(.*?)):(\d+)", line):
                self.scheme = match[1]
                self.host = match[2] or match[3]
                self.port = int(match[4])
                return
        raise AssertionError(f"the server did not start: {self.end()}")

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.host}:{self.port}"

    def ask(
        self,
        method: str,
        body: object = None,
        *,
        path: str = "/",
        headers: dict[str, str] | None = None,
    ) -> Response:
        """Send one request over this thread's connection; bytes go as they are, others as JSON."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        for last in (False, True):
            connection = self._connection()
            try:
                connection.request(method, path, None if body is None else data, headers or {})
                response = connection.getresponse()
                text = response.read().decode()
            except (OSError, http.client.HTTPException):
                # the server may have closed a kept connection meanwhile
                connection.close()
                if last:
                    raise
            else:
                break
        return Response(response.status, text, {k.lower(): v for k, v in response.getheaders()})

    def get(self, kind: str, **fields: object) -> Response:
        return self.ask("GET", {"type": kind, **fields})

    def put(self, kind: str, **fields: object) -> Response:
        return self.ask("PUT", {"type": kind, **fields})

    def memory(self) -> int:
        """Bytes of memory that the process has used at most so far."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        found = re.search(r"^VmHWM:\s*(\d+) kB", status, re.MULTILINE)
        assert found is not None
        return 1024 * int(found[1])

    def stop(self, number: int = signal.SIGTERM) -> tuple[int, str]:
        """Send a signal; returns the exit code and what was on stderr."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.end()

    def end(self) -> tuple[int, str]:
        """Wait for the end; returns the exit code and what was on stderr."""
        for connection in self._connections:
            connection.close()
        if self._ended is not None:
            return self._ended
        try:
            out, err = self.process.communicate(timeout=TIMEOUT)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()
            raise
        self.lines += out.splitlines()
        self._ended = (self.process.returncode, err)
        return self._ended

    def _connection(self) -> http.client.HTTPConnection:
        if getattr(self._local, "connection", None) is None:
            self._local.connection = http.client.HTTPConnection(
                self.host, self.port, timeout=TIMEOUT
            )
            self._connections.append(self._local.connection)
        connection: http.client.HTTPConnection = self._local.connection
        return connection

    def __enter__(self) -> Server:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()
