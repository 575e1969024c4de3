"""Whether a legacy note is an execution record, in so many words; pure."""

from __future__ import annotations

from enum import Enum

from seamless_database.admin.access.rows import as_object
from seamless_database.errors import RequestError
from seamless_database.protocol.request import from_python
from seamless_database.request_types.metadata import PutMetadata


class Outcome(Enum):
    """What became of a legacy note."""

    CARRIED_OVER = "carried_over"
    UNREADABLE = "no_json_object"
    WITHOUT_RESULT = "transformation_without_result"
    CONTESTED = "transformation_contested"
    NO_RECORD = "no_execution_record"


def carried_over(
    checksum: str, result: str | None, contested: bool, text: object
) -> tuple[Outcome, str | None]:
    """Judge a note, and give the text of the record if it can be carried over."""
    note = as_object(text)
    if note is None:
        return Outcome.UNREADABLE, None
    if contested:
        # the server takes no record for these either
        return Outcome.CONTESTED, None
    if result is None:
        return Outcome.WITHOUT_RESULT, None
    request = {"type": "metadata", "checksum": checksum, "result": result, "value": note}
    try:
        record = PutMetadata.from_fields(from_python(request)).record
    except RequestError:
        # it names no schema, or another transformation or result
        return Outcome.NO_RECORD, None
    return Outcome.CARRIED_OVER, record
