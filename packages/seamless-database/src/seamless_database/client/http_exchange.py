"""HTTP/1.1 as both clients speak it: the bytes of a request, and the parser of a response.

Nothing here sends or waits. httptools parses the responses, as it parses the requests of the
server.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from seamless_database.errors import ClientError

if TYPE_CHECKING:
    from seamless_database.client.address import ServerAddress

#: seconds for which an idle connection is kept; servers close theirs some time later
KEEP_SECONDS = 5.0
#: bytes of a response before its body
MAX_HEAD = 64 * 1024
_REDIRECTS = (301, 302, 303, 307, 308)
_SAFE = "/%:@!$&'()*+,;=~"


class ExchangeError(ConnectionError):
    """What was received is no complete response."""


@dataclass(frozen=True, slots=True)
class Response:
    """A complete response; `redirect` is the location that it redirects to."""

    status: int
    #: not shown, because a response may repeat the token of the request
    text: str = field(repr=False)
    redirect: str | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where the requests of a client go, and the headers that are the same in all of them."""

    host: str
    port: int
    tls: ssl.SSLContext | None
    _path: str = ""
    _headers: str = field(default="", repr=False)
    #: why no request can be sent
    _problem: str | None = None

    @classmethod
    def of(cls, address: ServerAddress, tls: ssl.SSLContext | None) -> Endpoint:
        """Parse the URL of a server."""
        try:
            parts = urlsplit(address.url)
            if parts.scheme not in ("http", "https") or not parts.hostname:
                raise ValueError("the URL must begin with http:// or https:// and name a host")
            port = parts.port or (443 if parts.scheme == "https" else 80)
            host = parts.netloc.encode("idna").decode()
        except ValueError as error:
            return cls("", 0, None, _problem=str(error))
        headers = f"Host: {host}\r\nAccept: */*\r\nUser-Agent: seamless-database\r\n"
        if address.authorization is not None:
            headers += f"Authorization: {address.authorization}\r\n"
        return cls(parts.hostname, port, tls, quote(parts.path, safe=_SAFE), headers)

    def request(self, method: str, path: str, body: bytes) -> bytes:
        """Return a request as it is sent."""
        if self._problem is not None:
            raise ConnectionError(self._problem)
        head = f"{method} {self._path}{path} HTTP/1.1\r\n{self._headers}"
        return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


class ResponseParser:
    """Collects one response; the methods `on_...` are callbacks of httptools."""

    def __init__(self) -> None:
        self._parser = HttpResponseParser(self)
        self._body: list[bytes] = []
        self._location: str | None = None
        self._has_length = False
        self._status = self._received = 0
        self.is_complete = False
        #: whether the connection may be used for another request
        self.keep_alive = False

    def feed(self, data: bytes) -> None:
        """Parse what was received; no bytes are the end of the connection."""
        if not data:
            self._end()
            return
        try:
            self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade) as error:
            # whatever follows a complete response belongs to no request
            self.keep_alive = False
            if not self.is_complete:
                raise ExchangeError(f"the response is not HTTP/1.1 ({error})") from None
        self._received += len(data)
        if not self._status and self._received > MAX_HEAD:
            raise ExchangeError(f"the head of the response is longer than {MAX_HEAD} bytes")

    def response(self) -> Response:
        """Return the complete response."""
        redirect = self._location if self._status in _REDIRECTS else None
        return Response(self._status, b"".join(self._body).decode(errors="replace"), redirect)

    def on_message_begin(self) -> None:
        """Reject a second response."""
        if self.is_complete:
            raise ExchangeError("more than one response")

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep what bears on the end of the response, and a location."""
        name = name.lower()
        if name == b"location":
            self._location = value.decode(errors="replace")
        elif name in (b"content-length", b"transfer-encoding"):
            self._has_length = True

    def on_headers_complete(self) -> None:
        """Keep the status."""
        self._status = self._parser.get_status_code()

    def on_body(self, data: bytes) -> None:
        """Collect the body."""
        self._body.append(data)

    def on_message_complete(self) -> None:
        """End the response, unless it is an interim one."""
        if self._status >= 200:
            self.is_complete = True
            self.keep_alive = self._parser.should_keep_alive()

    def _end(self) -> None:
        if self._status < 200 or self._has_length:
            raise ExchangeError("the server closed the connection without a complete response")
        self.is_complete = True


def no_response(url: str, error: OSError) -> ClientError:
    """Return the error for a request without a response, with the reason and what to do."""
    if isinstance(error, TimeoutError):
        return ClientError(url, "did not answer in time")
    reason = str(error) or type(error).__name__
    secure = url.lower().startswith("https:")
    if not secure and isinstance(error, ExchangeError):
        other = url.replace("http:", "https:", 1)
        reason += f"; if the server speaks TLS, as with --tls-cert, use {other}"
    elif isinstance(error, ssl.SSLCertVerificationError):
        reason += "; pass the certificate of the server or of its authority, as verify='file.pem'"
    elif secure and isinstance(error, ssl.SSLError):
        other = url.replace("https:", "http:", 1)
        reason += f"; if the server speaks no TLS, use {other}"
    return ClientError(url, f"gave no answer: {reason}")
