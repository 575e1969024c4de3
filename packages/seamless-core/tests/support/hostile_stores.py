"""Fixtures: malicious and broken servers and folders from which a store reads.

Every test with the fixture `hostile_server` or `hostile_folder` runs once for each of them. Their
buffer has the name `NAME`; `TIMEOUT` and `MAX_SIZE` are the limits of time and memory that the
tests give to a store.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import stat
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import zstandard
from fake_hashserver import Script, answering, garbage, hang_up, running

if TYPE_CHECKING:
    import socket

    from fake_hashserver import Behaviour

__all__ = ["hostile_folder", "hostile_server"]

CONTENT = b"what is wanted"
NAME = hashlib.sha256(CONTENT).hexdigest()
#: limits of a store, in seconds and bytes
TIMEOUT = 0.3
MAX_SIZE = 1 << 22
#: seconds after which a store counts as hanging: a multiple of its limit
HANGS = 30.0

#: 64 MB of zeros in a few kB
BOMB = bytes(1 << 26)
PART = bytes(1 << 16)


# -- servers --------------------------------------------------------------------------


def sending(head: str, *rest: bytes, every: float = 0.0, last: bytes = b"") -> Behaviour:
    """Send a head and a body, and repeat the last chunk of the body without end."""

    def behave(connection: socket.socket) -> None:
        connection.sendall(head.replace("\n", "\r\n").encode())
        for part in rest:
            connection.sendall(part)
        end = time.monotonic() + HANGS
        while last and time.monotonic() < end:
            connection.sendall(last)
            time.sleep(every)

    return behave


def encoded(body: bytes, encoding: str) -> Behaviour:
    """Respond with a compressed body."""
    head = "HTTP/1.1 200 OK\nConnection: close\n"
    return sending(f"{head}Content-Length: {len(body)}\nContent-Encoding: {encoding}\n\n", body)


OK = "HTTP/1.1 200 OK\nContent-Type: application/octet-stream\n"
CHUNKED = f"{OK}Transfer-Encoding: chunked\n\n"

#: behaviour of a server → result of reading from it
SERVERS: dict[str, tuple[Behaviour | str, str]] = {
    "silent": ("silent", "timeout"),
    "no HTTP": (garbage, "garbage or a broken connection"),
    "hangs up": (hang_up, "garbage or a broken connection"),
    "other content": (answering(b"something else"), "wrong content"),
    "no content": (answering(b""), "wrong content"),
    "part of the content": (answering(CONTENT[:-1]), "wrong content"),
    "less than announced": (answering(CONTENT, length=99), "garbage or a broken connection"),
    "more than announced": (answering(CONTENT, length=3), "wrong content"),
    "206": (answering(CONTENT, "206 Partial Content"), "HTTP 206"),
    "204": (sending("HTTP/1.1 204 No Content\n\n"), "HTTP 204"),
    "304": (sending("HTTP/1.1 304 Not Modified\n\n"), "HTTP 304"),
    "a redirection": (
        sending("HTTP/1.1 302 Found\nLocation: file:///etc/passwd\nContent-Length: 0\n\n"),
        "HTTP 302",
    ),
    "500": (answering(b"", "500 Oops"), "HTTP 500"),
    "503": (answering(b"", "503 Busy"), "HTTP 503"),
    "a header byte from time to time": (sending("HTTP/1.1 200", last=b"K", every=0.02), "timeout"),
    "endless headers": (sending(OK, last=b"X-Again: and again\r\n" * 99), "garbage"),
    "endless interim answers": (
        sending("", last=b"HTTP/1.1 100 Continue\r\n\r\n" * 999),
        "timeout",
    ),
    "a trickle": (sending(f"{OK}Content-Length: 1000000\n\n", last=b"x", every=0.02), "timeout"),
    "20 kB/s": (
        sending(f"{OK}Content-Length: 4000000\n\n", last=bytes(400), every=0.02),
        "timeout",
    ),
    "much, then a trickle": (
        sending(f"{OK}Content-Length: 4000000\n\n", bytes(3000000), last=b"x", every=0.02),
        "timeout",
    ),
    "chunks of one byte": (sending(CHUNKED, last=b"1\r\nx\r\n", every=0.02), "timeout"),
    "endless chunks": (sending(CHUNKED, last=b"10000\r\n" + PART + b"\r\n"), "too large"),
    "an endless body": (sending(f"{OK}Connection: close\n\n", last=PART), "too large"),
    "an endless chunk size": (sending(CHUNKED, last=b"0" * 999), "garbage"),
    "a huge announcement": (
        sending(f"{OK}Content-Length: {10**15}\n\n", last=PART),
        "too large",
    ),
    "an absurd announcement": (sending(f"{OK}Content-Length: {'9' * 5000}\n\n"), "garbage"),
    "a negative announcement": (sending(f"{OK}Content-Length: -1\n\n", CONTENT), "garbage"),
    "two announcements": (
        sending(f"{OK}Content-Length: 14\nContent-Length: 3\n\n", CONTENT),
        "garbage",
    ),
    "a gzip bomb": (encoded(gzip.compress(BOMB, 1), "gzip"), "too large"),
    "a zstd bomb": (encoded(zstandard.compress(BOMB), "ZSTD"), "too large"),
    "gzip that is none": (encoded(CONTENT, "gzip"), "wrong content"),
    "truncated zstd": (encoded(zstandard.compress(CONTENT)[:-3], "zstd"), "wrong content"),
    "an unknown encoding": (encoded(CONTENT[::-1], "br"), "wrong content"),
}


@dataclass
class HostileServer:
    """A running server, and the result of reading from it."""

    script: Script
    outcome: str

    @property
    def url(self) -> str:
        return self.script.url


@pytest.fixture(params=list(SERVERS))
def hostile_server(request: pytest.FixtureRequest) -> Iterator[HostileServer]:
    """Run each hostile server."""
    behaviour, outcome = SERVERS[request.param]
    script = Script()
    script.behaviours = [getattr(script, behaviour) if isinstance(behaviour, str) else behaviour]
    with running(script):
        yield HostileServer(script, outcome)


# -- folders --------------------------------------------------------------------------


def _empty_members(path: Path) -> None:
    path.write_bytes(gzip.compress(b"") * 1_000_000)


def _sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(1 << 40)


def _huge_window(path: Path) -> None:
    """Write a frame that requires a window of 2**41 bytes."""
    path.write_bytes(b"\x28\xb5\x2f\xfd\x00\xf8" + b"\x71\x00\x00" + CONTENT)


def _locked(path: Path, ahead: float) -> None:
    path.write_bytes(CONTENT[:5])
    lock = path.with_name(path.name + ".LOCK")
    lock.touch()
    os.utime(lock, (time.time() + ahead,) * 2)


#: suffix of the entry, function that creates it, result of reading it
FOLDERS: dict[str, tuple[str, Callable[[Path], object], str]] = {
    "other content": ("", lambda path: path.write_bytes(b"something else"), "wrong content"),
    "no content": ("", lambda path: path.touch(), "wrong content"),
    "a named pipe": ("", os.mkfifo, "not a regular file"),
    "a compressed named pipe": (".gz", os.mkfifo, "not a regular file"),
    "a socket": ("", lambda path: os.mknod(path, stat.S_IFSOCK | 0o600), "not a regular file"),
    "a folder": ("", lambda path: path.mkdir(), "not a regular file"),
    "an endless device": ("", lambda path: path.symlink_to("/dev/zero"), "not a regular file"),
    "a link to itself": ("", lambda path: path.symlink_to(path.name), "unreadable"),
    "a link to nowhere": ("", lambda path: path.symlink_to("nowhere"), "no"),
    "a huge sparse file": ("", _sparse, "too large"),
    "a gzip bomb": (".gz", lambda path: path.write_bytes(gzip.compress(BOMB, 1)), "too large"),
    "a zstd bomb": (".zst", lambda path: path.write_bytes(zstandard.compress(BOMB)), "too large"),
    "endless empty gzip members": (".gz", _empty_members, "timeout"),
    "a sparse gzip file": (".gz", _sparse, "wrong content"),
    "a zstd window beyond all memory": (".zst", _huge_window, "wrong content"),
    "a fresh lock": ("", lambda path: _locked(path, 0), "locked by a writer"),
    "a lock from soon": ("", lambda path: _locked(path, 60), "locked by a writer"),
    "a lock from the future": ("", lambda path: _locked(path, 1e8), "wrong content"),
}


@dataclass
class HostileFolder:
    """A buffer directory with one bad entry, and the result of reading it."""

    path: Path
    entry: Path
    outcome: str


@pytest.fixture(params=list(FOLDERS))
def hostile_folder(request: pytest.FixtureRequest, tmp_path: Path) -> HostileFolder:
    """Create each hostile folder."""
    suffix, make, outcome = FOLDERS[request.param]
    folder = tmp_path / "hostile"
    entry = folder / NAME[:2] / (NAME + suffix)
    entry.parent.mkdir(parents=True)
    (folder / ".HASHSERVER_PREFIX").write_bytes(b"1\n")
    make(entry)
    return HostileFolder(folder, entry, outcome)
