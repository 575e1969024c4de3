"""What the fields of a request can have to be: one entry takes a field and describes it.

The record families declare their fields with these, so that what is checked and what
`/openapi.json` tells of it come from one table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from seamless_database.protocol.request import MAX_CHECKSUMS, Fields

Schema = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Kind:
    """How to take a field of this kind, and its JSON schema."""

    take: Callable[[Fields, str], Any]
    schema: Schema
    required: bool = True

    def narrowed(self, **more: object) -> Kind:
        """The same, with a closer description; the family itself checks that."""
        return replace(self, schema={**self.schema, **more})


#: field name -> what it has to be, in the order in which the family takes them
Needs = Mapping[str, Kind]

_DIGITS: Schema = {"type": "string", "pattern": "^[0-9a-fA-F]{64}$"}

CHECKSUM = Kind(Fields.checksum, _DIGITS)
OPTIONAL_CHECKSUM = Kind(
    Fields.optional_checksum, {**_DIGITS, "type": ["string", "null"]}, required=False
)
CHECKSUMS = Kind(Fields.checksums, {"type": "array", "items": _DIGITS, "maxItems": MAX_CHECKSUMS})
TEXT = Kind(Fields.text, {"type": "string"})
FILLED_TEXT = Kind(Fields.filled_text, {"type": "string", "minLength": 1})
ARRAY = Kind(Fields.array, {"type": "array"})
MAPPING = Kind(Fields.mapping, {"type": "object"})
MAPPING_OR_TEXT = Kind(Fields.mapping_or_text, {"type": ["object", "string"]})


def taken(needs: Needs, fields: Fields) -> tuple[Any, ...]:
    """Take the fields of a request, in the order of the table."""
    return tuple([kind.take(fields, name) for name, kind in needs.items()])
