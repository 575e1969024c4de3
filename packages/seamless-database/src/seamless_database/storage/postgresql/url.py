"""URL of a PostgreSQL database: its parameters for psycopg, and its form without the password.

Only psycopg gets the password. The redacted URL consists of other parts of the URL, and `redact`
removes the password from the messages of psycopg.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from seamless_database.errors import OptionError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy.engine import URL

DRIVERS = ("postgresql", "postgresql+psycopg", "postgres")
#: the beginning of a URL of a server; a URL of SQLite names a file
_SCHEME = re.compile(r"(?!sqlite://)[A-Za-z][A-Za-z0-9+.-]*://")
#: parameters unless the URL has others: a lost server is detected within seconds
DEFAULTS: Mapping[str, str] = {
    "application_name": "seamless-database",
    "connect_timeout": "5",
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "15000",
}
#: executions after which psycopg prepares a statement; its own default
PREPARE_THRESHOLD = 5
_PREPARE = "prepare_threshold"


@dataclass(frozen=True, slots=True)
class PostgresUrl:
    """A PostgreSQL database, and how to connect to it."""

    #: the URL for messages, without the password
    redacted: str
    #: the connection parameters of psycopg
    parameters: Mapping[str, str] = field(repr=False)
    #: executions after which psycopg prepares a statement; None, for some poolers, means never
    prepare_threshold: int | None = PREPARE_THRESHOLD

    @classmethod
    def of(cls, text: str) -> PostgresUrl:
        """Parse a URL of SQLAlchemy's form; raises an `OptionError` that does not repeat it."""
        url = _url(text)
        query = {
            name: value if isinstance(value, str) else ",".join(value)
            for name, value in url.query.items()
        }
        threshold = _threshold(query.pop(_PREPARE, str(PREPARE_THRESHOLD)))
        own = {
            "user": url.username,
            "password": url.password if url.password is None else str(url.password),
            "host": url.host,
            "port": None if url.port is None else str(url.port),
            "dbname": url.database,
        }
        given = {name: value for name, value in own.items() if value}
        return cls(_redacted(url, query), {**DEFAULTS, **query, **given}, threshold)

    def redact(self, text: str) -> str:
        """Replace the password in a text."""
        password = self.parameters.get("password")
        return text.replace(password, "***") if password else text


def is_url(target: str) -> bool:
    """Whether a target is the URL of a server, not a file."""
    return _SCHEME.match(target) is not None


def _url(text: str) -> URL:
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    scheme = text.partition("://")[0]
    if scheme.lower() not in DRIVERS:
        raise OptionError(
            f"a database URL begins with {' or '.join(DRIVERS[:2])}, not with {scheme[:40]}; "
            "anything else is the path of a SQLite file"
        )
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        # the message of that error would repeat the URL
        raise OptionError(f"{_HINT}; this one cannot be read") from None
    if url.host is not None and "@" in url.host:
        raise OptionError(f"{_HINT}; an @ in a password is written %40")
    return url


_HINT = "a database URL looks like postgresql+psycopg://USER@HOST:PORT/DB"


def _threshold(text: str) -> int | None:
    if text.lower() == "none":
        return None
    if not re.fullmatch("[0-9]{1,9}", text):
        raise OptionError(f"{_PREPARE} in the database URL must be a number, or none")
    return int(text)


def _redacted(url: URL, query: Mapping[str, str]) -> str:
    user = f"{url.username}@" if url.username else ""
    # the folder of a Unix socket is in the query
    host = url.host or query.get("host", "")
    host = f"[{host}]" if ":" in host else host
    port = f":{url.port}" if url.port is not None else ""
    return f"postgresql+psycopg://{user}{host}{port}/{url.database or ''}"
