"""The errors of this package, and their HTTP statuses.

::

    DatabaseError
    ├── RequestError (ValueError)            400  a field is missing or wrong
    │   └── RequestTooLargeError             413  the body is larger than the server accepts
    ├── UnauthorizedError (PermissionError)  401  no token, or an unknown one
    ├── ForbiddenError (PermissionError)     403  a write with a token that may only read
    ├── UnknownKeyError (KeyError)           404  nothing is stored under that key
    ├── ReadOnlyError (PermissionError)      405  a write on a server without --writable
    ├── ConflictError (ValueError)           409  the write contradicts what is stored
    ├── UnavailableError (OSError)           503  not possible at present; a retry may work
    │   ├── DatabaseLockedError (TimeoutError)    another process holds the file's lock
    │   ├── FileReplacedError                     the database file was replaced while it was open
    │   └── DatabaseClosedError                   the database is being closed
    ├── StartError (OSError)                      the server cannot start
    │   ├── FileError                             the database file cannot be used
    │   ├── ServerError                           the PostgreSQL database cannot be used
    │   ├── SchemaError (ValueError)              the tables are not those of this service
    │   ├── AddressError                          no such host, or no free port
    │   ├── StatusFileError                       the status file cannot be used
    │   ├── TokenFileError (ValueError)           the token file cannot be used
    │   ├── CertificateError (ValueError)         the TLS certificate or its key cannot be used
    │   └── OptionError (ValueError)              an option has an impossible value
    ├── BulkWriteError (ValueError)               some entries of a bulk write were not stored
    └── ClientError (ConnectionError)             no response, or not from a seamless-database
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from collections.abc import Mapping


class DatabaseError(Exception):
    """Root of all errors of seamless-database."""

    #: the HTTP status of the response
    status: ClassVar[int] = 500

    def __str__(self) -> str:
        # KeyError would show the repr of its message, OSError an errno
        return " ".join(str(part) for part in self.args)


class RequestError(DatabaseError, ValueError):
    """A request is invalid; `field` names the invalid field, if it is one."""

    status = 400

    def __init__(self, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


class RequestTooLargeError(RequestError):
    """The body of a request exceeds the limit of the server."""

    status = 413

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"the body is larger than {limit} bytes; send less, or start the server with a "
            "larger --max-body"
        )
        self.limit = limit


class UnauthorizedError(DatabaseError, PermissionError):
    """The request has no token, or one that the server does not know."""

    status = 401


class ForbiddenError(DatabaseError, PermissionError):
    """A write request has a token that may only read."""

    status = 403

    def __init__(self) -> None:
        super().__init__("this token may only read; a write needs a write token of the server")


class UnknownKeyError(DatabaseError, KeyError):
    """Nothing is stored under the key of the request."""

    status = 404


class ReadOnlyError(DatabaseError, PermissionError):
    """A write request was sent to a database that is open for reading."""

    status = 405

    def __init__(self) -> None:
        super().__init__("Database server is read-only")


class ConflictError(DatabaseError, ValueError):
    """A write contradicts what is stored; nothing was changed."""

    status = 409


class UnavailableError(DatabaseError, OSError):
    """The database cannot serve the request now: disk full, file locked, shutting down."""

    status = 503


class DatabaseLockedError(UnavailableError, TimeoutError):
    """Another process holds the lock of the database for longer than the timeout."""

    def __init__(self, seconds: float) -> None:
        super().__init__(
            f"the database is locked by another process (waited {seconds:g} s); try again later"
        )
        self.seconds = seconds


class DatabaseClosedError(UnavailableError):
    """The database is closed, or being closed."""

    def __init__(self) -> None:
        super().__init__("the database is shutting down; try again later")


class FileReplacedError(UnavailableError):
    """A file of the database was replaced or removed while it was open; `path` is the file."""

    def __init__(self, path: object) -> None:
        super().__init__(
            f"the file {path} was replaced or removed while the database was open, so that is "
            "neither read nor written any more; put the file back, or restart the server"
        )
        self.path = path


class StartError(DatabaseError, OSError):
    """The server cannot start with its options."""


class FileError(StartError):
    """The database file cannot be opened, or is not a database; `path` is the file."""

    def __init__(self, path: object, reason: str) -> None:
        super().__init__(f"cannot use the database file {path}: {reason}")
        self.path = path


class ServerError(StartError):
    """The PostgreSQL database cannot be reached or used; `name` is its URL without a password."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"cannot use the database {name}: {reason}")
        self.name = name


class SchemaError(StartError, ValueError):
    """The tables are not those of this service; they were not changed.

    `path` is the file, or the URL of the PostgreSQL database without a password.
    """

    def __init__(self, path: object, reason: str, *, kind: str = "database file") -> None:
        super().__init__(f"cannot use the {kind} {path}: {reason}")
        self.path = path


class AddressError(StartError):
    """The server cannot listen on its address."""


class StatusFileError(StartError):
    """The status file is missing, or holds no JSON object; `path` is the file."""

    def __init__(self, path: object, reason: str) -> None:
        super().__init__(f"cannot use the status file {path}: {reason}")
        self.path = path


class TokenFileError(StartError, ValueError):
    """The token file cannot be read, others may read it, or it is malformed; `path` is the file."""

    def __init__(self, path: object, reason: str) -> None:
        super().__init__(f"cannot use the token file {path}: {reason}")
        self.path = path


class CertificateError(StartError, ValueError):
    """A TLS certificate or key cannot be read, or is invalid; `path` is the file."""

    def __init__(self, path: object, reason: str) -> None:
        super().__init__(f"cannot use the TLS file {path}: {reason}")
        self.path = path


class OptionError(StartError, ValueError):
    """An option of the command line has an invalid value."""


class BulkWriteError(DatabaseError, ValueError):
    """Some entries of a bulk write were not stored; all others were.

    `errors` has the error of each, by its key as it was given: the one that the single request
    raises.
    """

    #: entries that the message names
    max_shown: ClassVar[int] = 5

    def __init__(self, errors: Mapping[Any, DatabaseError], total: int) -> None:
        shown = [f"{key}: {error}" for key, error in islice(errors.items(), self.max_shown)]
        rest = len(errors) - len(shown)
        super().__init__(
            f"{len(errors)} of {total} entries were not stored ({'; '.join(shown)}"
            + (f"; and {rest} more)" if rest else ")")
        )
        self.errors = errors


class ClientError(DatabaseError, ConnectionError):
    """The server cannot be reached, or is not a seamless-database; `url` is the server."""

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(f"{url} {reason}")
        self.url = url
