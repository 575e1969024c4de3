"""The table of request types: which can be read, which can be written, and by what.

A request type is a class: `check` takes the fields of a request and gives an instance, or raises
a `RequestError`; `run` does what was asked on a connection. Adding one is an entry here and its
class in the file of its family.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Protocol, TypeVar

from seamless_database.errors import RequestError
from seamless_database.request_types.bucket_probe import (
    GetBucketProbe,
    PutBucketProbe,
)
from seamless_database.request_types.buffer_info import (
    GetBufferInfo,
    GetBufferInfos,
    PutBufferInfo,
)
from seamless_database.request_types.expression import (
    GetExpression,
    GetRevExpression,
    PutExpression,
)
from seamless_database.request_types.irreproducible import (
    GetIrreproducible,
    PutIrreproducible,
)
from seamless_database.request_types.metadata import GetMetadata, PutMetadata
from seamless_database.request_types.semantic import (
    GetSemanticToSyntactic,
    GetSyntacticToSemantic,
    PutSemanticToSyntactic,
)
from seamless_database.request_types.transformation import (
    GetRevTransformations,
    GetTransformation,
    GetTransformations,
    PutTransformation,
)
from seamless_database.request_types.version import GetProtocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from seamless_database.protocol.field_types import FieldSpecs
    from seamless_database.protocol.request import RequestFields
    from seamless_database.request_types.statements import Connection


class ReadRequest(Protocol):
    """A checked read request."""

    #: its fields, next to the type
    field_types: ClassVar[FieldSpecs]
    #: whether it looks at a bounded number of rows, so that an event loop may run it
    is_point_lookup: ClassVar[bool]

    @classmethod
    def from_fields(cls, fields: RequestFields) -> ReadRequest:
        """Take what the request needs from its fields."""
        ...

    def run(self, connection: Connection) -> str | None:
        """Look it up; the text of the answer, or None for a miss."""
        ...


class WriteRequest(Protocol):
    """A checked write request."""

    #: its fields, next to the type
    field_types: ClassVar[FieldSpecs]

    @classmethod
    def from_fields(cls, fields: RequestFields) -> WriteRequest:
        """Take what the request needs from its fields."""
        ...

    def lock_keys(self) -> tuple[str, ...]:
        """Name what nobody else may look at to change it, from before `run` to the commit."""
        ...

    def run(self, connection: Connection) -> None:
        """Do it, or raise a `DatabaseError`; the caller owns the transaction.

        It reads all that it needs before it changes anything; so over a network, what many of
        them read, and then what they change, can be sent at once.
        """
        ...


READS: Mapping[str, type[ReadRequest]] = {
    "buffer_info": GetBufferInfo,
    "buffer_infos": GetBufferInfos,
    "bucket_probe": GetBucketProbe,
    "expression": GetExpression,
    "irreproducible": GetIrreproducible,
    "metadata": GetMetadata,
    "protocol": GetProtocol,
    "rev_expression": GetRevExpression,
    "rev_transformations": GetRevTransformations,
    "semantic_to_syntactic": GetSemanticToSyntactic,
    "syntactic_to_semantic": GetSyntacticToSemantic,
    "transformation": GetTransformation,
    "transformations": GetTransformations,
}
WRITES: Mapping[str, type[WriteRequest]] = {
    "buffer_info": PutBufferInfo,
    "bucket_probe": PutBucketProbe,
    "expression": PutExpression,
    "irreproducible": PutIrreproducible,
    "metadata": PutMetadata,
    "semantic_to_syntactic": PutSemanticToSyntactic,
    "transformation": PutTransformation,
}

Known = TypeVar("Known")


def parse_read(fields: RequestFields) -> ReadRequest:
    """Check a read request."""
    return _lookup(READS, fields, "read").from_fields(fields)


def parse_write(fields: RequestFields) -> WriteRequest:
    """Check a write request."""
    return _lookup(WRITES, fields, "write").from_fields(fields)


def _lookup(table: Mapping[str, Known], fields: RequestFields, verb: str) -> Known:
    if fields.request_type in table:
        return table[fields.request_type]
    known = ", ".join(table)
    shown = ascii(fields.request_type[:40])
    raise RequestError(
        f"the field 'type' is {shown}, and there is nothing like that to {verb}; there is {known}",
        "type",
    )
