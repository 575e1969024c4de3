"""Bucket probes: the last fingerprint of a node, an environment or a queue, by its label.

An addition to the seven tables of the published protocol, which do not depend on it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from sqlalchemy import bindparam, delete, select

from seamless_database.json_codec import minified, spaced
from seamless_database.protocol.field_types import (
    CHECKSUM,
    MAPPING_OR_TEXT,
    NONEMPTY_TEXT,
    TEXT,
    FieldSpecs,
    extract,
)
from seamless_database.request_types.base import ReadRequest, WriteRequest
from seamless_database.request_types.damage import (
    valid_checksum,
    valid_object,
    valid_text,
)
from seamless_database.request_types.statements import (
    Statement,
    StatementConnection,
    insert_statement,
)
from seamless_database.tables import BUCKET_PROBE

if TYPE_CHECKING:
    from seamless_database.protocol.request import RequestFields

KINDS = ("node", "environment", "node_env", "queue", "queue_node")

_IS_KEY = (
    BUCKET_PROBE.c.bucket_kind == bindparam("bucket_kind"),
    BUCKET_PROBE.c.label == bindparam("label"),
)
_PROBE = Statement(
    select(
        BUCKET_PROBE.c.bucket_checksum, BUCKET_PROBE.c.captured_at, BUCKET_PROBE.c.freshness_tokens
    ).where(*_IS_KEY)
)
_INSERT = insert_statement(
    BUCKET_PROBE, "bucket_kind", "label", "bucket_checksum", "captured_at", "freshness_tokens"
)
_DELETE = Statement(delete(BUCKET_PROBE).where(*_IS_KEY))


@dataclass(frozen=True, slots=True)
class GetBucketProbe(ReadRequest):
    """Read the last fingerprint of a bucket."""

    #: an unknown kind is a miss
    kind: str
    label: str
    field_types: ClassVar[FieldSpecs] = {"bucket_kind": TEXT, "label": TEXT}
    is_point_lookup: ClassVar[bool] = True

    def run(self, connection: StatementConnection) -> str | None:
        """Return a JSON object."""
        row = connection.one(_PROBE, bucket_kind=self.kind, label=self.label)
        if row is None:
            return None
        key = f"{self.kind} {self.label}"
        checksum = valid_checksum(row[0], BUCKET_PROBE.c.bucket_checksum, key)
        captured_at = valid_text(row[1], BUCKET_PROBE.c.captured_at, key)
        tokens = valid_object(row[2], BUCKET_PROBE.c.freshness_tokens, key)
        if checksum is None or captured_at is None or tokens is None:
            return None
        return (
            f'{{"bucket_kind": {spaced(self.kind)}, "label": {spaced(self.label)}, '
            f'"bucket_checksum": "{checksum}", "captured_at": {spaced(captured_at)}, '
            f'"freshness_tokens": {tokens}}}'
        )


@dataclass(frozen=True, slots=True)
class PutBucketProbe(WriteRequest):
    """Store the fingerprint of a bucket."""

    kind: str
    label: str
    checksum: str
    captured_at: str
    tokens: str
    field_types: ClassVar[FieldSpecs] = {
        "bucket_kind": TEXT.with_schema(enum=list(KINDS)),
        "label": NONEMPTY_TEXT,
        "bucket_checksum": CHECKSUM,
        "captured_at": NONEMPTY_TEXT,
        "freshness_tokens": MAPPING_OR_TEXT,
    }

    @classmethod
    def from_fields(cls, fields: RequestFields) -> PutBucketProbe:
        """Parse all five fields; neither label nor time may be empty."""
        kind, label, checksum, captured_at, tokens = extract(cls.field_types, fields)
        if kind not in KINDS:
            raise fields.invalid("bucket_kind", f"one of {', '.join(KINDS)}", kind)
        return cls(kind, label, checksum, captured_at, minified(tokens))

    def lock_keys(self) -> tuple[str, ...]:
        """Name the bucket."""
        return (f"probe {self.kind} {self.label}",)

    def run(self, connection: StatementConnection) -> None:
        """Replace the row of that kind and label."""
        connection.run(_DELETE, bucket_kind=self.kind, label=self.label)
        connection.run(
            _INSERT,
            bucket_kind=self.kind,
            label=self.label,
            bucket_checksum=self.checksum,
            captured_at=self.captured_at,
            freshness_tokens=self.tokens,
        )
