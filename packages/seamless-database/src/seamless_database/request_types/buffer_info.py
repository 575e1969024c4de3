"""Buffer info: the known properties of a buffer, merged field by field into the stored ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from sqlalchemy import ColumnElement, bindparam, case, func, literal_column, select, update

from seamless_database.errors import RequestError
from seamless_database.json_codec import parse_stored, sorted_and_indented
from seamless_database.protocol.field_types import (
    CHECKSUM,
    CHECKSUMS,
    MAPPING,
    FieldSpecs,
)
from seamless_database.request_types.base import ReadRequest, WriteRequest
from seamless_database.request_types.bulk_write import BulkWrite, entries
from seamless_database.request_types.damage import valid_object
from seamless_database.request_types.statements import (
    Statement,
    StatementConnection,
    encode_key_list,
    in_key_list,
    insert_statement,
)
from seamless_database.tables import BUFFER_INFO

#: fields that are true, false or null; of the others only the length is checked
FLAGS = (
    "is_json",
    "is_json_numeric_array",
    "is_json_numeric_scalar",
    "is_numpy",
    "is_seamless_mixed",
    "is_utf8",
)
#: characters of stored buffer info; a merge reads and writes all of them
MAX_INFO = 1024 * 1024
#: characters of buffer info up to which one statement fetches many; larger ones are fetched singly
SMALL = 4096
#: characters of a response with the buffer info of many buffers
MAX_RESPONSE = 64 * 1024 * 1024
#: the checked fields of buffer info
INFO = MAPPING.with_schema(
    properties={
        "length": {"type": ["integer", "null"], "minimum": 0},
        **{flag: {"type": ["boolean", "null"]} for flag in FLAGS},
    }
)

_IS_KEY = BUFFER_INFO.c.checksum == bindparam("checksum")
_INFO = Statement(select(BUFFER_INFO.c.buffer_info).where(_IS_KEY))
_ONE: ColumnElement[int] = literal_column("1")
_stored_length = func.length(BUFFER_INFO.c.buffer_info)
#: the stored text if it is short enough to merge, and its first and last character
_MERGEABLE = Statement(
    select(
        case((_stored_length <= literal_column(str(MAX_INFO)), BUFFER_INFO.c.buffer_info)),
        func.substr(BUFFER_INFO.c.buffer_info, _ONE, _ONE).concat(
            func.substr(BUFFER_INFO.c.buffer_info, _stored_length, _ONE)
        ),
    ).where(_IS_KEY)
)
_IS_SMALL = func.length(BUFFER_INFO.c.buffer_info) <= literal_column(str(SMALL))
_INFOS = Statement(
    select(
        BUFFER_INFO.c.checksum,
        case((_IS_SMALL, BUFFER_INFO.c.buffer_info)),
    ).where(in_key_list(BUFFER_INFO.c.checksum))
)
_INSERT = insert_statement(BUFFER_INFO, "checksum", "buffer_info")
_UPDATE = Statement(
    update(BUFFER_INFO)
    .where(BUFFER_INFO.c.checksum == bindparam("key"))
    .values(buffer_info=bindparam("new"))
)


@dataclass(frozen=True, slots=True)
class GetBufferInfo(ReadRequest):
    """Read the info of a buffer."""

    checksum: str
    field_types: ClassVar[FieldSpecs] = {"checksum": CHECKSUM}
    is_point_lookup: ClassVar[bool] = True

    def run(self, connection: StatementConnection) -> str | None:
        """Return a JSON object."""
        return _info(connection, self.checksum)


@dataclass(frozen=True, slots=True)
class GetBufferInfos(ReadRequest):
    """Read the info of many buffers."""

    checksums: tuple[str, ...]
    field_types: ClassVar[FieldSpecs] = {"checksums": CHECKSUMS}

    def run(self, connection: StatementConnection) -> str:
        """Return a JSON object: the info of each buffer that has one, by its checksum."""
        parts: list[str] = []
        size = 0
        for checksum, info in connection.all(_INFOS, keys=encode_key_list(self.checksums)):
            # large ones are fetched one by one, so that the limit bounds the memory
            whole = _info(connection, checksum) if info is None else _valid(info, checksum)
            if whole is not None:
                parts.append(f'"{checksum}": {whole}')
                size += len(parts[-1])
            if size > MAX_RESPONSE:
                raise _too_much(len(self.checksums))
        return f"{{{', '.join(parts)}}}"


@dataclass(frozen=True, slots=True)
class PutBufferInfo(WriteRequest):
    """Store info of a buffer."""

    checksum: str
    info: dict[str, Any]
    field_types: ClassVar[FieldSpecs] = {"checksum": CHECKSUM, "value": INFO}

    def __post_init__(self) -> None:
        length = self.info.get("length")
        if length is not None and (type(length) is not int or length < 0):
            raise _invalid("length", "a whole number, not negative")
        for name in FLAGS:
            if not isinstance(self.info.get(name), bool | None):
                raise _invalid(name, "true, false, or null")
        _encode(self.info)

    def lock_keys(self) -> tuple[str, ...]:
        """Name the buffer."""
        return (f"buffer {self.checksum}",)

    def run(self, connection: StatementConnection) -> None:
        """Merge it: new values replace stored ones, null included."""
        row = connection.one(_MERGEABLE, checksum=self.checksum)
        if row is None:
            connection.run(_INSERT, checksum=self.checksum, buffer_info=_encode(self.info))
            return
        stored, ends = row
        if stored is None and ends == "{}":
            raise _too_long()
        known = _valid(stored, self.checksum)
        merged = _encode({**(parse_stored(known) if known else {}), **self.info})
        if merged != stored:
            connection.run(_UPDATE, key=self.checksum, new=merged)


class PutBufferInfos(BulkWrite):
    """Store info of many buffers, by their checksums."""

    single = PutBufferInfo
    single_type = "buffer_info"
    field_types = entries(PutBufferInfo)


def _info(connection: StatementConnection, checksum: str) -> str | None:
    row = connection.one(_INFO, checksum=checksum)
    return None if row is None else _valid(row[0], checksum)


def _valid(info: object, checksum: str) -> str | None:
    return valid_object(info, BUFFER_INFO.c.buffer_info, checksum)


def _too_much(count: int) -> RequestError:
    return RequestError(
        f"the field 'checksums' of a buffer_infos request names {count} buffers whose info "
        f"exceeds the {MAX_RESPONSE} characters of a response; ask for fewer at once",
        "checksums",
    )


def _encode(info: dict[str, Any]) -> str:
    text = sorted_and_indented(info)
    if len(text) > MAX_INFO:
        raise _too_long()
    return text


def _too_long() -> RequestError:
    return RequestError(
        f"the field 'value' of a buffer_info request makes the buffer info too long; the limit is "
        f"{MAX_INFO} characters as JSON text",
        "value",
    )


def _invalid(name: str, expected: str) -> RequestError:
    return RequestError(f"the field {name!r} of buffer info must be {expected}", name)
