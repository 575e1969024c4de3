"""HTTP responses: every status that this server sends, its text and headers, and error → response.

The status of each error class is in `errors.py`, beside the class; `error_response` reads it from
there. The application and the connection take their responses from here, also for what never
becomes a request. `encode_head` writes the status line and the headers of both. The headers of
every response, such as the date, are `default_headers` of the connection (see `limits.py`).
"""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import TYPE_CHECKING, NamedTuple

from seamless_database.errors import (
    DatabaseError,
    ReadOnlyError,
    RequestTooLargeError,
    UnauthorizedError,
    UnavailableError,
    UnknownKeyError,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

Header = tuple[bytes, bytes]

#: characters that are encoded at once, and approximately the bytes that are sent at once
CHUNK_SIZE = 64 * 1024
#: the status by which a request is counted whose client disconnected before the response
CLIENT_DISCONNECTED = 499

CLOSE: Header = (b"connection", b"close")
TEXT: Header = (b"content-type", b"text/plain; charset=utf-8")
JSON: Header = (b"content-type", b"application/json")
_READ_METHODS, _ALL_METHODS = "GET, HEAD", "GET, HEAD, PUT"
_STATUS_LINES = {
    status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus
}
#: headers of a response to one kind of error
_ERROR_HEADERS: dict[type[DatabaseError], tuple[Header, ...]] = {
    # the rest of the body may still be on its way
    RequestTooLargeError: (CLOSE,),
    ReadOnlyError: ((b"allow", _READ_METHODS.encode()),),
    UnauthorizedError: (
        (b"www-authenticate", b'Bearer realm="seamless-database"'),
        (b"www-authenticate", b'Basic realm="seamless-database"'),
    ),
}
_LOG = logging.getLogger(__name__)


class Response(NamedTuple):
    """The status, text, content type and further headers of a response."""

    status: int
    text: str
    content_type: Header = TEXT
    headers: tuple[Header, ...] = ()

    def body(self) -> bytes:
        """Encode the text; a lone surrogate is shown by its number, after a backslash."""
        return self.text.encode(errors="backslashreplace")

    def size(self) -> int:
        """Count the bytes of the body; for text that is not ASCII this takes as long as sending."""
        text = self.text
        return len(text) if text.isascii() else sum(len(chunk) for chunk in self.iter_chunks())

    def iter_chunks(self) -> Iterator[bytes]:
        """Encode a text of any size in chunks, so that it is in memory only once."""
        text = self.text
        for start in range(0, len(text), CHUNK_SIZE):
            yield text[start : start + CHUNK_SIZE].encode(errors="backslashreplace")


OK = Response(200, "OK")
NOT_FOUND = Response(UnknownKeyError.status, "ERROR: Unknown key")
NOT_HTTP = Response(400, "ERROR: this is not HTTP", headers=(CLOSE,))
REQUEST_TIMEOUT = Response(408, "ERROR: the request did not arrive in time", headers=(CLOSE,))
INTERNAL_ERROR = Response(500, "ERROR: the server failed on this request; its log says why")
TOO_MANY_CONNECTIONS = Response(
    UnavailableError.status, "ERROR: too many connections; try again later", headers=(CLOSE,)
)


def error_response(error: BaseException) -> Response:
    """Turn an error of this package into its status, and log any other error as status 500."""
    if isinstance(error, DatabaseError):
        return Response(
            error.status, f"ERROR: {error}", headers=_ERROR_HEADERS.get(type(error), ())
        )
    _LOG.error("a request failed unexpectedly", exc_info=error)
    return INTERNAL_ERROR


def health_response(degraded_reason: str | None) -> Response:
    """Report whether requests can be executed; load balancers use this."""
    if degraded_reason is None:
        return OK
    return Response(UnavailableError.status, f"ERROR: degraded: {degraded_reason}")


def method_not_allowed(*, writable: bool) -> Response:
    """Reject a method that is not part of the protocol."""
    allowed = _ALL_METHODS if writable else _READ_METHODS
    text = f"ERROR: Method Not Allowed: use one of {allowed}"
    return Response(405, text, headers=((b"allow", allowed.encode()),))


def headers_too_large(limit: int) -> Response:
    """Reject a request line and headers above a number of bytes."""
    return Response(431, f"ERROR: the headers are larger than {limit} bytes", headers=(CLOSE,))


def too_many_headers(limit: int) -> Response:
    """Reject a request with more headers than this."""
    return Response(431, f"ERROR: more than {limit} headers", headers=(CLOSE,))


def encode_head(status: int, *headers: Iterable[Header]) -> bytes:
    """Encode the status line and the headers, up to the empty line before the body."""
    lines = [b"%b: %b\r\n" % header for group in headers for header in group]
    return b"%b%b\r\n" % (_STATUS_LINES[status], b"".join(lines))


def encode_response(response: Response, server_headers: Sequence[Header]) -> bytes:
    """Encode a whole small response that no application sends."""
    body = response.body()
    length = (b"content-length", b"%d" % len(body))
    own = (response.content_type, length, *response.headers)
    return encode_head(response.status, server_headers, own) + body
