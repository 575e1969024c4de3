"""What the tests ask about the worker processes of a server, and connections to each of them."""

from __future__ import annotations

import http.client
import json
import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from database_server import TIMEOUT, Server

if TYPE_CHECKING:
    from collections.abc import Iterator


def workers(server: Server) -> list[int]:
    """The process numbers of the workers."""
    pid = server.process.pid
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


class Connection:
    """A connection to one of the workers, and to which."""

    def __init__(self, server: Server) -> None:
        before = {pid: sockets(pid) for pid in workers(server)}
        self._http = http.client.HTTPConnection(server.host, server.port, timeout=TIMEOUT)
        self._http.request("GET", "/healthcheck")
        self._http.getresponse().read()
        (self.worker,) = (pid for pid, count in before.items() if sockets(pid) > count)

    def ask(self, method: str, **body: Any) -> str:
        self._http.request(method, "/", json.dumps(body))
        return self._http.getresponse().read().decode()

    def close(self) -> None:
        self._http.close()


def sockets(pid: int) -> int:
    links = Path(f"/proc/{pid}/fd")
    return sum(os.readlink(link).startswith("socket:") for link in links.iterdir())


def is_one_plain_file(file: Path) -> bool:
    beside = [entry.name for entry in file.parent.iterdir() if entry.name.startswith(file.name)]
    return beside == [file.name] and file.read_bytes()[18:20] == b"\x01\x01"


@contextmanager
def connections_to_both(server: Server) -> Iterator[tuple[Connection, Connection]]:
    """Open a connection to each of the two workers."""
    opened = [Connection(server)]
    while opened[-1].worker == opened[0].worker:
        opened.append(Connection(server))
    yield opened[0], opened[-1]
    for connection in opened:
        connection.close()
