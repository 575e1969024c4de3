"""URLs of buffer servers: parsing, credentials, redaction. Pure."""

from __future__ import annotations

import base64
from urllib.parse import quote, unquote, urlsplit

__all__ = ["parse_server_url", "without_password"]


def without_password(url: str) -> str:
    """Return the URL for messages: without user, password and final slash."""
    scheme, separator, address = url.rstrip("/").partition("://")
    authority, slash, path = address.partition("/")
    return scheme + separator + authority.rpartition("@")[2] + slash + path


def parse_server_url(url: str) -> tuple[str, list[tuple[str, str]]]:
    """Return the URL in ASCII without user and password, and the headers that replace those.

    Raises
    ------
    ValueError
        When the scheme is not `http` or `https`, or host or port are missing or invalid. The
        message does not contain the password.
    """
    shown = url if "@" not in url else f"...@{url.rpartition('@')[2]}"
    try:
        parts = urlsplit(url)
        port = parts.port
        host = (parts.hostname or "").encode("idna").decode()
    except ValueError as error:
        reason = f": {error}" if shown == url else ""  # the error may quote the password
        raise ValueError(f"{shown!r} is no URL of a buffer server{reason}") from None
    if parts.scheme not in {"http", "https"} or not host or any(map(str.isspace, url)):
        raise ValueError(f"{shown!r} is no URL of a buffer server: write http://HOST:PORT")
    address = f"{parts.scheme}://{f'[{host}]' if ':' in host else host}"
    if port is not None:
        address += f":{port}"
    address += quote(parts.path.rstrip("/"), safe="/%:@!$&'()*+,;=~")
    if parts.username is None:
        return address, []
    login = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return address, [("Authorization", f"Basic {base64.b64encode(login.encode()).decode()}")]
