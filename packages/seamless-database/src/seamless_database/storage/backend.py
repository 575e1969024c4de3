"""What a server needs of a database, and the choice between the two there are, by its name."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, auto
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType
    from typing import Any

    from seamless_database import request_types
    from seamless_database.request_types.statements import InterruptibleConnection
    from seamless_database.storage.commit_metrics import CommitMetrics

T = TypeVar("T")

#: receives the response of a read, None for a miss, or the error
ReadCallback = Callable[[str | None, BaseException | None], None]
#: receives the error of a write, or None once the write is durable
WriteCallback = Callable[[BaseException | None], None]


class Durability(Enum):
    """What an acknowledged write survives, besides a crash of the server process."""

    #: a power failure too: the response follows the sync
    FULL = "full"
    #: a power failure may lose the last moments, but does not damage the database
    RELAXED = "relaxed"


class NotImmediate(Enum):
    """What `try_read` returns in place of a response that would block the event loop."""

    NOT_IMMEDIATE = auto()


NOT_IMMEDIATE: Final = NotImmediate.NOT_IMMEDIATE


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

    async def execute_read(self, request: request_types.ReadRequest) -> str | None:
        """Answer a checked read request."""
        ...

    @property
    def is_local(self) -> bool:
        """Whether point reads are answered at once, as a rule."""
        ...

    def try_read(self, request: request_types.ReadRequest) -> str | NotImmediate | None:
        """Answer a checked read request if that takes no time."""
        ...

    def submit_read(self, request: request_types.ReadRequest, tell: ReadCallback) -> None:
        """Queue a checked point read; `tell` hears on this event loop what was found."""
        ...

    async def execute_write(self, request: request_types.WriteRequest) -> None:
        """Do a checked write request; returns when it is safe."""
        ...

    def submit_write(self, request: request_types.WriteRequest, tell: WriteCallback) -> None:
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
