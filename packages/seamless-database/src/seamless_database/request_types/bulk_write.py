"""Bulk writes: many write requests of one type in one request, each with its own outcome.

A bulk write has no SQL and no rules of its own. Each entry is parsed, locked and run as the single
request with the same fields.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from seamless_database.errors import DatabaseError, RequestError
from seamless_database.json_codec import spaced
from seamless_database.protocol.field_types import ENTRIES, FieldSpecs, FieldType, extract
from seamless_database.protocol.request import RequestFields
from seamless_database.request_types.base import Request

if TYPE_CHECKING:
    from typing_extensions import Self

    from seamless_database.protocol.field_types import Schema
    from seamless_database.request_types.base import WriteRequest

#: the field of the single request that the keys of the entries hold
KEY = "checksum"
#: outcomes of an entry that was accepted
STORED, UNCHANGED = "stored", "unchanged"
#: whether an accepted entry has changed the database, or why it was rejected
Outcome = bool | DatabaseError


@dataclass(frozen=True, slots=True)
class BulkWrite(Request):
    """A parsed bulk write; a subclass names the single request of its entries.

    An entry holds the fields of the single request besides `checksum`. If there is only one, the
    entry is its value.
    """

    #: the single request by its key, or why the entry is invalid
    entries: Mapping[str, WriteRequest | RequestError]
    single: ClassVar[type[WriteRequest]]
    single_type: ClassVar[str]

    @classmethod
    def from_fields(cls, fields: RequestFields) -> Self:
        """Parse `value`, an object with an entry for each checksum."""
        (value,) = extract(cls.field_types, fields)
        return cls({key: cls._parse(key, entry) for key, entry in value.items()})

    def writes(self) -> dict[str, WriteRequest]:
        """Return the valid entries, by their keys and in their order."""
        return {
            key: entry for key, entry in self.entries.items() if not isinstance(entry, RequestError)
        }

    def response(self, outcomes: Mapping[str, Outcome]) -> str:
        """Return a JSON object with the outcome of each entry under its key as it was sent.

        It is "stored", "unchanged" if the same was stored already, or for a rejected entry an
        object with the `status` and the `error` that the single request is answered with.
        """
        return spaced(
            {
                key: _described(entry if isinstance(entry, RequestError) else outcomes[key])
                for key, entry in self.entries.items()
            }
        )

    @classmethod
    def _parse(cls, key: str, entry: Any) -> WriteRequest | RequestError:
        names = _entry_fields(cls.single.field_types)
        body = {names[0]: entry} if len(names) == 1 else entry
        try:
            if not isinstance(body, Mapping):
                expected = f"an object with {' and '.join(names)}"
                raise RequestFields(f"{cls.single_type}s", {}).invalid("value", expected, entry)
            return cls.single.from_fields(RequestFields(cls.single_type, {**body, KEY: key}))
        except RequestError as error:
            # the frames of the traceback hold the whole request
            return error.with_traceback(None)


def entries(single: type[WriteRequest]) -> FieldSpecs:
    """Return the field types of the bulk write of a single request."""
    field_types = single.field_types
    names = _entry_fields(field_types)
    schema: Schema = field_types[names[0]].schema
    if len(names) > 1:
        properties = {name: field_types[name].schema for name in names}
        required = [name for name in names if field_types[name].required]
        schema = {"type": "object", "required": required, "properties": properties}
    key_schema = field_types[KEY].schema
    entry_type: FieldType = ENTRIES.with_schema(
        propertyNames=key_schema, additionalProperties=schema
    )
    return {"value": entry_type}


def _entry_fields(field_types: FieldSpecs) -> list[str]:
    return [name for name in field_types if name != KEY]


def _described(outcome: Outcome) -> object:
    if isinstance(outcome, DatabaseError):
        return {"status": outcome.status, "error": str(outcome)}
    return STORED if outcome else UNCHANGED
