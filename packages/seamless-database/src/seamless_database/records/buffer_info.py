"""What is known of a buffer: fields that are merged, one by one, into what is known already."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from sqlalchemy import bindparam, select, update

from seamless_database.connection import Connection, Statement, inserting
from seamless_database.errors import RequestError
from seamless_database.json_forms import answerable, sorted_and_indented, stored_value
from seamless_database.models import BufferInfo

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
    point: ClassVar[bool] = True

    @classmethod
    def check(cls, fields: Fields) -> GetBufferInfo:
        """Take `checksum`, of the buffer."""
        return cls(fields.checksum("checksum"))

    def run(self, connection: Connection) -> str | None:
        """Answer an object."""
        row = connection.one(_INFO, checksum=self.checksum)
        return None if row is None else answerable(row[0])


@dataclass(frozen=True, slots=True)
class PutBufferInfo:
    """Tell what is known of a buffer."""

    checksum: str
    info: dict[str, Any]

    @classmethod
    def check(cls, fields: Fields) -> PutBufferInfo:
        """Take `checksum`, of the buffer, and `value`, an object."""
        checksum, info = fields.checksum("checksum"), fields.mapping("value")
        length = info.get("length")
        if length is not None and (type(length) is not int or length < 0):
            raise _wrong("length", "a whole number, not negative")
        for name in FLAGS:
            if not isinstance(info.get(name), bool | None):
                raise _wrong(name, "true, false, or null")
        return cls(checksum, info)

    def run(self, connection: Connection) -> None:
        """Merge it: later values replace earlier ones, null included."""
        row = connection.one(_INFO, checksum=self.checksum)
        if row is None:
            text = sorted_and_indented(self.info)
            connection.run(_INSERT, checksum=self.checksum, buffer_info=text)
            return
        merged = sorted_and_indented({**stored_value(row[0]), **self.info})
        if merged != row[0]:
            connection.run(_UPDATE, key=self.checksum, new=merged)


def _wrong(name: str, wanted: str) -> RequestError:
    return RequestError(f"the field {name!r} of buffer info must be {wanted}", name)
