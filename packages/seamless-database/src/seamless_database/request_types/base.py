"""Base classes of the request types, `ReadRequest` and `WriteRequest`, and undecided writes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar

from seamless_database.protocol.field_types import extract

if TYPE_CHECKING:
    from collections.abc import Callable

    from typing_extensions import Self

    from seamless_database.protocol.field_types import FieldSpecs
    from seamless_database.protocol.request import RequestFields
    from seamless_database.request_types.statements import Row, StatementConnection


class Request(ABC):
    """A parsed request; a subclass is a dataclass with its fields in the order of `field_types`.

    The docstrings of a subclass and of its `run` are its text in OpenAPI.
    """

    __slots__ = ()
    #: the fields of the request besides `type`
    field_types: ClassVar[FieldSpecs]

    @classmethod
    def from_fields(cls, fields: RequestFields) -> Self:
        """Parse the fields of the request, or raise a `RequestError`."""
        return cls(*extract(cls.field_types, fields))


class ReadRequest(Request):
    """A parsed read request."""

    __slots__ = ()
    #: whether it reads a bounded number of rows, so that an event loop may run it
    is_point_lookup: ClassVar[bool] = False

    @abstractmethod
    def run(self, connection: StatementConnection) -> str | None:
        """Return the text of the response, or None for a miss."""

    def wait_seconds(self, _text: str | None) -> float:
        """Return for how long the client waits for a response other than this one."""
        return 0.0


class WriteRequest(Request):
    """A parsed write request, which can run in a transaction."""

    __slots__ = ()

    @abstractmethod
    def lock_keys(self) -> tuple[str, ...]:
        """Name the locks to hold from before `run` until the commit."""

    @abstractmethod
    def run(self, connection: StatementConnection) -> None:
        """Apply the change, or raise a `DatabaseError`; the caller owns the transaction.

        All reads precede the first change, so that the reads of many requests can share a round
        trip, and then their changes.
        """


class UndecidedError(Exception):
    """A write that needs a long comparison first, which must not block the writer.

    The transaction that raises it has changed nothing. The caller passes the row that `read`
    returns to `decide`, which returns the write to run instead, or raises the `DatabaseError`
    that rejects the write. `decide` takes no connection.
    """

    def __init__(
        self,
        read: Callable[[StatementConnection], Row | None],
        decide: Callable[[Row | None], WriteRequest],
    ) -> None:
        super().__init__("a write needs a comparison")
        self.read = read
        self.decide = decide
