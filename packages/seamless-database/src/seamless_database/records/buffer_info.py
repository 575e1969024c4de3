"""What is known of a buffer: fields that are merged, one by one, into what is known already."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from sqlalchemy import bindparam, select, update

from seamless_database.errors import RequestError
from seamless_database.field_kinds import CHECKSUM, MAPPING, Needs, taken
from seamless_database.json_forms import answerable, sorted_and_indented, stored_value
from seamless_database.models import BufferInfo
from seamless_database.statements import Connection, Statement, inserting

if TYPE_CHECKING:
    from seamless_database.protocol import Fields

#: fields that are yes, no, or unknown; the others are not looked at, except for the length
FLAGS = (
    "is_json",
    "is_json_numeric_array",
    "is_json_numeric_scalar",
    "is_numpy",
    "is_seamless_mixed",
    "is_utf8",
)
#: characters of the stored form; merging reads all of it and writes all of it
MAX_INFO = 1024 * 1024
#: what is looked at in buffer info
INFO = MAPPING.narrowed(
    properties={
        "length": {"type": ["integer", "null"], "minimum": 0},
        **{flag: {"type": ["boolean", "null"]} for flag in FLAGS},
    }
)

_INFO = Statement(
    select(BufferInfo.buffer_info).where(BufferInfo.checksum == bindparam("checksum"))
)
_INSERT = inserting(BufferInfo, "checksum", "buffer_info")
_UPDATE = Statement(
    update(BufferInfo)
    .where(BufferInfo.checksum == bindparam("key"))
    .values(buffer_info=bindparam("new"))
)


@dataclass(frozen=True, slots=True)
class GetBufferInfo:
    """Ask what is known of a buffer."""

    checksum: str
    needs: ClassVar[Needs] = {"checksum": CHECKSUM}
    point: ClassVar[bool] = True

    @classmethod
    def check(cls, fields: Fields) -> GetBufferInfo:
        """Take `checksum`, of the buffer."""
        return cls(*taken(cls.needs, fields))

    def run(self, connection: Connection) -> str | None:
        """Answer an object."""
        row = connection.one(_INFO, checksum=self.checksum)
        return None if row is None else answerable(row[0])


@dataclass(frozen=True, slots=True)
class PutBufferInfo:
    """Tell what is known of a buffer."""

    checksum: str
    info: dict[str, Any]
    needs: ClassVar[Needs] = {"checksum": CHECKSUM, "value": INFO}

    @classmethod
    def check(cls, fields: Fields) -> PutBufferInfo:
        """Take `checksum`, of the buffer, and `value`, an object."""
        checksum, info = taken(cls.needs, fields)
        length = info.get("length")
        if length is not None and (type(length) is not int or length < 0):
            raise _wrong("length", "a whole number, not negative")
        for name in FLAGS:
            if not isinstance(info.get(name), bool | None):
                raise _wrong(name, "true, false, or null")
        _written(info)
        return cls(checksum, info)

    def run(self, connection: Connection) -> None:
        """Merge it: later values replace earlier ones, null included."""
        row = connection.one(_INFO, checksum=self.checksum)
        if row is None:
            connection.run(_INSERT, checksum=self.checksum, buffer_info=_written(self.info))
            return
        merged = _written({**stored_value(row[0]), **self.info})
        if merged != row[0]:
            connection.run(_UPDATE, key=self.checksum, new=merged)


def _written(info: dict[str, Any]) -> str:
    text = sorted_and_indented(info)
    if len(text) > MAX_INFO:
        raise RequestError(
            f"the field 'value' of a buffer_info request makes the buffer info too long; the "
            f"limit is {MAX_INFO} characters as JSON text",
            "value",
        )
    return text


def _wrong(name: str, wanted: str) -> RequestError:
    return RequestError(f"the field {name!r} of buffer info must be {wanted}", name)
