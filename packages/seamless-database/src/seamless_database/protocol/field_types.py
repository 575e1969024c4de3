"""Field types of requests: each parses a field and has its JSON schema.

Request types declare their fields with these, so that the check of a field and its description in
`/openapi.json` have one source.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from seamless_database.protocol.request import MAX_CHECKSUMS, MAX_ENTRIES, RequestFields

Schema = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class FieldType:
    """A function that parses a field, and its JSON schema."""

    parse: Callable[[RequestFields, str], Any]
    schema: Schema
    required: bool = True

    def with_schema(self, **more: object) -> FieldType:
        """Return this type with a narrower schema, which the request type itself checks."""
        return replace(self, schema={**self.schema, **more})


#: field name -> type, in the order in which `extract` returns the values
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
OPTIONAL_TEXT = FieldType(RequestFields.optional_text, {"type": ["string", "null"]}, required=False)
ARRAY = FieldType(RequestFields.array, {"type": "array"})
MAPPING = FieldType(RequestFields.mapping, {"type": "object"})
ENTRIES = FieldType(RequestFields.entries, {"type": "object", "maxProperties": MAX_ENTRIES})
MAPPING_OR_TEXT = FieldType(RequestFields.mapping_or_text, {"type": ["object", "string"]})


def duration(most: float, *, default: float | None = None) -> FieldType:
    """Return the type of a number of seconds up to `most`; with a default, it may be absent."""

    def parse(fields: RequestFields, name: str) -> float:
        if default is not None and name not in fields.body:
            return default
        return fields.seconds(name, most)

    schema = {"type": "number", "minimum": 0, "maximum": most}
    return FieldType(parse, schema, required=default is None)


def extract(field_types: FieldSpecs, fields: RequestFields) -> tuple[Any, ...]:
    """Parse the fields of a request, in the order of the table."""
    return tuple([field.parse(fields, name) for name, field in field_types.items()])
