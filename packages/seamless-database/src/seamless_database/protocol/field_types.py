"""What the fields of a request can have to be: one entry takes a field and describes it.

The record families declare their fields with these, so that what is checked and what
`/openapi.json` tells of it come from one table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from seamless_database.protocol.request import MAX_CHECKSUMS, RequestFields

Schema = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class FieldType:
    """How to take a field of this kind, and its JSON schema."""

    parse: Callable[[RequestFields, str], Any]
    schema: Schema
    required: bool = True

    def with_schema(self, **more: object) -> FieldType:
        """The same, with a closer description; the family itself checks that."""
        return replace(self, schema={**self.schema, **more})


#: field name -> what it has to be, in the order in which the family takes them
FieldSpecs = Mapping[str, FieldType]

_DIGITS: Schema = {"type": "string", "pattern": "^[0-9a-fA-F]{64}$"}

CHECKSUM = FieldType(RequestFields.checksum, _DIGITS)
OPTIONAL_CHECKSUM = FieldType(
    RequestFields.optional_checksum, {**_DIGITS, "type": ["string", "null"]}, required=False
)
CHECKSUMS = FieldType(
    RequestFields.checksums, {"type": "array", "items": _DIGITS, "maxItems": MAX_CHECKSUMS}
)
TEXT = FieldType(RequestFields.text, {"type": "string"})
NONEMPTY_TEXT = FieldType(RequestFields.nonempty_text, {"type": "string", "minLength": 1})
ARRAY = FieldType(RequestFields.array, {"type": "array"})
MAPPING = FieldType(RequestFields.mapping, {"type": "object"})
MAPPING_OR_TEXT = FieldType(RequestFields.mapping_or_text, {"type": ["object", "string"]})


def extract(field_types: FieldSpecs, fields: RequestFields) -> tuple[Any, ...]:
    """Take the fields of a request, in the order of the table."""
    return tuple([kind.parse(fields, name) for name, kind in field_types.items()])
