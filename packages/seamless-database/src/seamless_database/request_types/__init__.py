"""Request types: the tables of all read and write requests.

A request type is a class, whose base is in `base.py`. `from_fields` parses the fields of a request
into an instance, or raises a `RequestError`; `run` answers the request on a connection. To add one,
write the class in a module of this folder and add an entry to `READS` or `WRITES` (see
CONTRIBUTING.md).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from seamless_database.errors import RequestError
from seamless_database.request_types.bucket_probe import (
    GetBucketProbe,
    PutBucketProbe,
)
from seamless_database.request_types.buffer_info import (
    GetBufferInfo,
    GetBufferInfos,
    PutBufferInfo,
    PutBufferInfos,
)
from seamless_database.request_types.claim import GetClaim, PutClaim
from seamless_database.request_types.expression import (
    GetExpression,
    GetRevExpression,
    PutExpression,
)
from seamless_database.request_types.irreproducible import (
    GetIrreproducible,
    PutIrreproducible,
)
from seamless_database.request_types.metadata import (
    GetMetadata,
    PutMetadata,
    PutMetadatas,
)
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
    PutTransformations,
)
from seamless_database.request_types.version import GetProtocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from seamless_database.protocol.request import RequestFields
    from seamless_database.request_types.base import ReadRequest, WriteRequest
    from seamless_database.request_types.bulk_write import BulkWrite


READS: Mapping[str, type[ReadRequest]] = {
    "buffer_info": GetBufferInfo,
    "buffer_infos": GetBufferInfos,
    "bucket_probe": GetBucketProbe,
    "claim": GetClaim,
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
WRITES: Mapping[str, type[WriteRequest | BulkWrite]] = {
    "buffer_info": PutBufferInfo,
    "buffer_infos": PutBufferInfos,
    "bucket_probe": PutBucketProbe,
    "claim": PutClaim,
    "expression": PutExpression,
    "irreproducible": PutIrreproducible,
    "metadata": PutMetadata,
    "metadatas": PutMetadatas,
    "semantic_to_syntactic": PutSemanticToSyntactic,
    "transformation": PutTransformation,
    "transformations": PutTransformations,
}

RequestType = TypeVar("RequestType")


def parse_read(fields: RequestFields) -> ReadRequest:
    """Parse a read request."""
    return _lookup(READS, fields, "read").from_fields(fields)


def parse_write(fields: RequestFields) -> WriteRequest | BulkWrite:
    """Parse a write request."""
    return _lookup(WRITES, fields, "write").from_fields(fields)


def _lookup(table: Mapping[str, RequestType], fields: RequestFields, verb: str) -> RequestType:
    name = fields.request_type
    if name in table:
        return table[name]
    raise RequestError(
        f"the field 'type' is {name[:40]!a}, which is no type of request to {verb}; "
        f"the types are {', '.join(table)}",
        "type",
    )
