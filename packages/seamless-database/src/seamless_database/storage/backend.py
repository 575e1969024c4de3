"""What a server needs of a database, and the choice between the two there are, by its name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

from seamless_database.errors import OptionError, ServerError
from seamless_database.storage.postgresql.url import PostgresUrl, is_url

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path
    from types import TracebackType
    from typing import Any, Literal

    from seamless_database import request_types
    from seamless_database.metrics.counters import CommitMetrics
    from seamless_database.request_types.statements import InterruptibleConnection
    from seamless_database.storage.callbacks import Later, ReadCallback, WriteCallback
    from seamless_database.storage.durability import Durability
    from seamless_database.storage.sqlite.fair_lock import FairWriterLock

T = TypeVar("T")

_SQLITE = "sqlite://"


class Backend(Protocol):
    """An open database: a SQLite file, or a PostgreSQL database."""

    writable: bool
    #: whether there were no tables before it was opened
    is_new: bool

    @property
    def name(self) -> str:
        """What it is called in messages; without a password."""
        ...

    @property
    def startup_notices(self) -> tuple[str, ...]:
        """What whoever starts a server on it should know."""
        ...

    @property
    def degraded_reason(self) -> str | None:
        """What keeps requests from being done, as far as is known; never waits."""
        ...

    @property
    def commits(self) -> CommitMetrics | None:
        """How the commits went so far; None for one that is read only."""
        ...

    @property
    def queued_writes(self) -> int:
        """How many writes are queued."""
        ...

    def get(self, body: Mapping[str, Any]) -> str | None:
        """Answer a read request, given as the JSON object of the protocol; None is a miss."""
        ...

    def put(self, body: Mapping[str, Any]) -> None:
        """Do a write request, given as the JSON object of the protocol; returns when it is safe."""
        ...

    async def execute_read(self, request: request_types.Read) -> str | None:
        """Answer a checked read request."""
        ...

    @property
    def is_local(self) -> bool:
        """Whether point reads are answered at once, as a rule."""
        ...

    def try_read(self, request: request_types.Read) -> str | Literal[Later.LATER] | None:
        """Answer a checked read request if that takes no time."""
        ...

    def submit_read(self, request: request_types.Read, tell: ReadCallback) -> None:
        """Queue a checked point read; `tell` hears on this event loop what was found."""
        ...

    async def execute_write(self, request: request_types.Write) -> None:
        """Do a checked write request; returns when it is safe."""
        ...

    def submit_write(self, request: request_types.Write, tell: WriteCallback) -> None:
        """Queue a checked write request; `tell` hears on this event loop when it is safe."""
        ...

    def read(self, work: Callable[[InterruptibleConnection], T]) -> T | None:
        """Call `work` with a reading connection."""
        ...

    def sizes(self) -> dict[str, int]:
        """Bytes of its files, where it has any."""
        ...

    def close(self) -> None:
        """Finish what is queued, and let go of it."""
        ...

    def __enter__(self) -> Backend:
        """Give itself."""
        ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close it."""
        ...


def shown(target: str) -> str:
    """Name a database that was asked for, without the password; raises an `OptionError`."""
    return PostgresUrl.of(target).shown if is_url(target) else target


def open_database(
    target: str | Path,
    *,
    writable: bool = False,
    durability: Durability | None = None,
    writer_lock: FairWriterLock | None = None,
) -> Backend:
    """Open the SQLite file at a path, or the PostgreSQL database at a URL.

    Raises a `StartError` for whatever is in the way of that.

    Parameters
    ----------
    target
        a path, or a URL as SQLAlchemy writes them: ``postgresql+psycopg://USER@HOST/DB``
    writable
        whether it takes writes; a writable one is created, or filled with tables, if need be
    durability
        what a write that was acknowledged survives; by default, power cuts too
    turns
        for one of several processes of one server: see `Database`
    """
    from seamless_database.storage.durability import Durability
    from seamless_database.storage.sqlite.database import Database

    level = durability or Durability.FULL
    text = str(target)
    if not is_url(text):
        return Database(
            file_of(target), writable=writable, durability=level, writer_lock=writer_lock
        )
    try:
        from seamless_database.storage.postgresql.database import PostgresDatabase
    except ImportError as error:
        raise ServerError(shown(text), f"{error}; {_INSTALL}") from error
    return PostgresDatabase(PostgresUrl.of(text), writable=writable, durability=level)


_INSTALL = "it needs: pip install 'seamless-database[postgresql]'"


def file_of(target: str | Path) -> str | Path:
    """Take the path out of a URL of SQLite: ``sqlite:///file``, ``sqlite:////absolute/file``."""
    if not str(target).startswith(_SQLITE):
        return target
    path = str(target).removeprefix(f"{_SQLITE}/")
    if not path or path == str(target):
        raise OptionError("a URL of a SQLite file looks like sqlite:///seamless.db")
    return path
