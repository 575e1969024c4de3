"""The address of a server, for its clients: what is asked of whom, and what to identify with.

The password of a URL is taken out of it, so that no message and no log shows it.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypedDict
from urllib.parse import unquote

import httpx

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path


class Options(TypedDict):
    """What both faces of httpx are made with."""

    auth: httpx.Auth | None
    verify: bool | ssl.SSLContext


@dataclass(frozen=True, slots=True)
class ServerAddress:
    """Where a server is, and the header that lets us in."""

    url: str
    authorization: httpx.Auth | None = field(default=None, repr=False)

    @classmethod
    def of(cls, url: str, token: str | None = None) -> ServerAddress:
        """Take `http://user:TOKEN@host:port` apart; a token of its own goes before that one."""
        scheme, separator, rest = url.rstrip("/").partition("://")
        userinfo, at, place = rest.rpartition("@")
        if not at or "/" in userinfo:
            userinfo, place = "", rest
        bare = scheme + separator + place
        if token is not None:
            return cls(bare, _Bearer(token))
        if userinfo:
            user, _, password = userinfo.partition(":")
            return cls(bare, httpx.BasicAuth(unquote(user), unquote(password)))
        return cls(bare)

    def options(self, verify: bool | str | Path | ssl.SSLContext) -> Options:
        """Give what httpx needs to know; a path is that of the certificates to trust."""
        if not isinstance(verify, bool | ssl.SSLContext):
            verify = ssl.create_default_context(cafile=verify)
        return {"auth": self.authorization, "verify": verify}


class _Bearer(httpx.Auth):
    def __init__(self, token: str) -> None:
        self._header = f"Bearer {token}"

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        request.headers["Authorization"] = self._header
        yield request
