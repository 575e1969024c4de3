"""The address of a server as a client uses it: URL, token and TLS options.

Secrets are taken out of the URL and checked here, so that no message, log or traceback shows them.
"""

from __future__ import annotations

import base64
import re
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

from seamless_database.errors import CertificateError, RequestError

#: a host with an optional port, which no password precedes
_HOST = re.compile(r"(\[[^\]]*\]|[^:@\[\]]*)(:[0-9]*)?")


@dataclass(frozen=True, slots=True)
class ServerAddress:
    """The URL of a server, and the header that authenticates the client."""

    #: without user and password
    url: str
    #: the value of the header `Authorization`
    authorization: str | None = field(default=None, repr=False)
    #: why the URL or the token cannot be used
    problem: RequestError | None = None

    @classmethod
    def of(cls, url: str, token: str | None = None) -> ServerAddress:
        """Parse `http://user:TOKEN@host:port`; `token` takes precedence over that one.

        A wrong token raises no error here, where a traceback could show it, but in `tls_context`.
        White space around a token, such as the newline at the end of a file, is removed.
        """
        scheme, separator, rest = url.strip().rstrip("/").partition("://")
        if not separator:
            scheme, rest = "", scheme
        userinfo, at, location = rest.rpartition("@")
        if separator and "/" in userinfo and _HOST.fullmatch(rest.partition("/")[0]):
            # the @ belongs to the path
            userinfo, at, location = "", "", rest
        bare = scheme + separator + location
        user, _, password = userinfo.partition(":")
        if at and ("/" in userinfo or not separator):
            return cls(bare, problem=_wrong_url())
        secret = (unquote(password) if token is None else token).strip()
        if token is not None:
            return (
                cls(bare, f"Bearer {secret}")
                if _is_token(secret)
                else cls(bare, problem=_wrong_token())
            )
        return cls(bare, _basic(unquote(user), secret) if userinfo else None)

    def tls_context(self, verify: bool | str | Path | ssl.SSLContext) -> ssl.SSLContext | None:
        """Return the TLS context of an https URL; a path is that of the certificates to trust.

        Raises
        ------
        RequestError
            If the URL or the token cannot be used.
        CertificateError
            If the file holds no certificates or cannot be read.
        """
        if self.problem is not None:
            raise self.problem
        if not isinstance(verify, bool | ssl.SSLContext):
            verify = _trusting(Path(verify))
        if not self.url.lower().startswith("https:"):
            return None
        if isinstance(verify, ssl.SSLContext):
            return verify
        if verify:
            import certifi  # only https takes the time to import it

            return ssl.create_default_context(cafile=certifi.where())
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context


def _basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def _is_token(text: str) -> bool:
    return re.fullmatch("[!-~]+", text) is not None


def _wrong_token() -> RequestError:
    return RequestError(
        "the token is empty, or holds white space, line breaks or characters outside of ASCII; "
        "pass the token alone, not the whole line or file that it stands in",
        "token",
    )


def _wrong_url() -> RequestError:
    return RequestError(
        "the URL (not shown, since it may hold a token) must be like http://user:TOKEN@host:port; "
        "percent-encode other characters than letters, digits and ._~- in TOKEN",
        "url",
    )


def _trusting(path: Path) -> ssl.SSLContext:
    try:
        if path.is_dir():
            return ssl.create_default_context(capath=path)
        path.open("rb").close()
        return ssl.create_default_context(cafile=path)
    except ssl.SSLError:
        raise CertificateError(path, "it holds no certificates in PEM format") from None
    except OSError as error:
        raise CertificateError(path, str(error.strerror)) from None
