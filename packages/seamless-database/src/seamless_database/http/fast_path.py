"""A short way for requests that are small, complete, and like one that came before.

Clients send the same head again and again, word for word, and what it meant then it means now. So
a head that the parser has taken is kept, by its digest, with the length of the body that follows;
when a connection at rest receives those very words and just such a body, and nothing else, the
app may answer without a parser, a task, or messages. Anything else goes through uvicorn.
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Protocol

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from seamless_database.http.responses import TEXT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from seamless_database.http.request_log import Client

Header = tuple[bytes, bytes]

#: bytes of a request; the usual look-up has a few hundred
MAX_SIZE = 16 * 1024
#: heads that are kept; clients of one kind share theirs, so there are few
MAX_HEADS = 1024
_HEAD_END = b"\r\n\r\n"
#: what changes how a request is read, or what becomes of the connection after it
_UNUSUAL = frozenset([b"expect", b"proxy-connection", b"transfer-encoding", b"upgrade"])


class FastPathHandler(Protocol):
    """What an app offers to a connection, next to itself."""

    def accepts(self, method: str, path: str, headers: Iterable[Header], length: int) -> bool:
        """Tell whether requests with this head may be asked here; it depends on nothing else."""
        ...

    def get(self, body: bytes, client: Client) -> tuple[int, bytes] | None:
        """Answer a request by status and text; None if it has to go the ordinary way."""
        ...

    @property
    def at_once(self) -> bool:
        """Whether `get` can answer; if not, `get_soon` can."""
        ...

    def get_soon(
        self,
        body: bytes,
        client: Client,
        tell: Callable[[int, bytes], None],
        again: Callable[[], None],
    ) -> bool:
        """Take a request whose status and text are told later, on the event loop, exactly once.

        In place of `tell`, `again` may be called, after which the request goes the ordinary way.
        """
        ...

    def put(self, body: bytes, client: Client, tell: Callable[[int, bytes], None]) -> bool:
        """Take a write in the same way."""
        ...


class HeadCache:
    """The heads that one server knows, and the beginnings of its answers."""

    def __init__(self, requests: FastPathHandler) -> None:
        self.requests = requests
        #: digest of a head (of the words themselves, a token may be one) -> length of its body
        self._known: dict[bytes, int] = {}
        self._own: Sequence[Header] = ()
        self._begun: dict[int, bytes] = {}

    def body(self, data: bytes) -> bytes | None:
        """Find the body of one small request whose head is known; None for all else."""
        if len(data) > MAX_SIZE:
            return None
        end = data.find(_HEAD_END) + len(_HEAD_END)
        length = self._known.get(sha256(data[:end]).digest())
        return data[end:] if length == len(data) - end else None

    def remember(self, data: bytes, method: str, url: bytes, headers: Iterable[Header]) -> None:
        """Keep the head of a request of HTTP/1.1 that `data` began with, if it is a plain one."""
        end = data.find(_HEAD_END) + len(_HEAD_END)
        length = _length(headers)
        # so nothing is before or behind the request, and its head ends where we think it does
        if length != len(data) - end or not data.startswith(b"%b %b " % (method.encode(), url)):
            return
        if len(data) > MAX_SIZE:
            return
        if self.requests.accepts(method, url.decode("latin-1"), headers, length):
            if len(self._known) >= MAX_HEADS:
                self._known.clear()
            self._known[sha256(data[:end]).digest()] = length

    def answer(self, status: int, text: bytes, own: Sequence[Header], *, last: bool) -> bytes:
        """Write an answer; `own` are the headers of the server, a new list whenever they change."""
        if own is not self._own:
            self._own, self._begun = own, {}
        begin = self._begun.get(status)
        if begin is None:
            headers = b"".join(b"%b: %b\r\n" % header for header in [*own, TEXT])
            begin = self._begun[status] = STATUS_LINE[status] + headers
        close = b"connection: close\r\n" if last else b""
        return b"%bcontent-length: %d\r\n%b\r\n%b" % (begin, len(text), close, text)


def _length(headers: Iterable[Header]) -> int | None:
    """Give the length of a body, if that is all that there is to say about a request."""
    lengths = []
    for name, value in headers:
        if name in _UNUSUAL or (name == b"connection" and value.lower() != b"keep-alive"):
            return None
        if name == b"content-length":
            lengths.append(value)
    return int(lengths[0]) if len(lengths) == 1 and lengths[0].isdigit() else None
