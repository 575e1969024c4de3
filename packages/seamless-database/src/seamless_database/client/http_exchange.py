"""What both clients share about HTTP: where requests go, a response, and why there is none."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import quote, urlsplit

from seamless_database.client.address import ServerAddress
from seamless_database.errors import ClientError

if TYPE_CHECKING:
    from seamless_database.client.calls import Call

T = TypeVar("T")

#: seconds for which an idle connection is kept; servers close theirs some time later
KEEP_SECONDS = 5.0
_REDIRECTS = (301, 302, 303, 307, 308)
_SAFE = "/%:@!$&'()*+,;=~"


class ExchangeError(ConnectionError):
    """What was received is no complete response."""

    def __init__(self, error: Exception) -> None:
        super().__init__(f"no complete HTTP/1.1 response ({str(error).strip()})")


@dataclass(frozen=True, slots=True)
class Response:
    """A complete response."""

    status: int
    #: not shown, because a response may repeat the token of the request
    text: str = field(repr=False)
    _location: str | None = field(repr=False)

    @classmethod
    def of(cls, status: int, body: bytes, location: str | None) -> Response:
        """Make a response from what was received; `location` is the header of that name."""
        return cls(status, body.decode(errors="replace"), location)

    def result(self, call: Call[T], url: str) -> T:
        """Return the result of the call that was sent to a URL, or raise its error."""
        if self.status in _REDIRECTS and self._location is not None:
            target = ServerAddress.of(self._location).url
            raise ClientError(
                url,
                f"answered, but is no seamless-database: it redirects to {target}, which is not "
                "followed; use the URL of the database itself",
            )
        return call.result(url, self.status, self.text)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where the requests of a client go, and the headers that are the same in all of them."""

    host: str
    port: int
    tls: ssl.SSLContext | None
    #: the path of the URL, before that of a request
    path: str = ""
    headers: dict[str, str] = field(default_factory=dict, repr=False)
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
            host = parts.hostname.encode("idna").decode()
            netloc = parts.netloc.encode("idna").decode()
        except ValueError as error:
            return cls("", 0, None, _problem=str(error))
        headers = {"Host": netloc, "Accept": "*/*", "User-Agent": "seamless-database"}
        if address.authorization is not None:
            headers["Authorization"] = address.authorization
        return cls(host, port, tls, quote(parts.path, safe=_SAFE), headers)

    def check(self) -> None:
        """Raise a `ConnectionError` if no request can be sent."""
        if self._problem is not None:
            raise ConnectionError(self._problem)


def no_response(url: str, error: OSError) -> ClientError:
    """Return the error for a request without a response, with the reason and what to do."""
    if isinstance(error, TimeoutError):
        return ClientError(url, "did not answer in time")
    reason = str(error) or type(error).__name__
    secure = url.lower().startswith("https:")
    if not secure and isinstance(error, ExchangeError | ConnectionResetError):
        other = url.replace("http:", "https:", 1)
        reason += f"; if the server speaks TLS, as with --tls-cert, use {other}"
    elif isinstance(error, ssl.SSLCertVerificationError):
        reason += "; pass the certificate of the server or of its authority, as verify='file.pem'"
    elif secure and isinstance(error, ssl.SSLError):
        other = url.replace("https:", "http:", 1)
        reason += f"; if the server speaks no TLS, use {other}"
    return ClientError(url, f"gave no answer: {reason}")
