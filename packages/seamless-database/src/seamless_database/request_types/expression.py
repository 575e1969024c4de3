"""Expressions: (input, path, cell type, target cell type) → result, and the reverse look-up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from sqlalchemy import bindparam, select, update

from seamless_database.errors import RequestError
from seamless_database.json_codec import spaced
from seamless_database.protocol.field_types import (
    ARRAY,
    CHECKSUM,
    TEXT,
    FieldSpecs,
    extract,
)
from seamless_database.request_types.base import ReadRequest, Request, WriteRequest
from seamless_database.request_types.damage import (
    valid_checksum,
    valid_json,
    valid_text,
)
from seamless_database.request_types.statements import (
    Row,
    Statement,
    StatementConnection,
    insert_statement,
)
from seamless_database.tables import EXPRESSION

if TYPE_CHECKING:
    from typing_extensions import Self

    from seamless_database.protocol.request import RequestFields

#: characters of the columns; published servers reject more
MAX_PATH, MAX_CELLTYPE = 100, 20
#: cell types whose values have parts that a path can name
WITH_PATH = ("mixed", "plain", "binary")

_KEY: FieldSpecs = {
    "checksum": CHECKSUM,
    "path": ARRAY,
    "celltype": TEXT,
    "target_celltype": TEXT,
}
_SHORT = TEXT.with_schema(maxLength=MAX_CELLTYPE)
_WHOLE = f"empty unless `celltype` is one of {', '.join(WITH_PATH)}"

_IS_KEY = (
    EXPRESSION.c.input_checksum == bindparam("input_of"),
    EXPRESSION.c.path == bindparam("path_of"),
    EXPRESSION.c.celltype == bindparam("celltype_of"),
    EXPRESSION.c.target_celltype == bindparam("target_of"),
)
_RESULT = Statement(select(EXPRESSION.c.result).where(*_IS_KEY))
_BY_RESULT = Statement(
    select(
        EXPRESSION.c.input_checksum,
        EXPRESSION.c.path,
        EXPRESSION.c.celltype,
        EXPRESSION.c.target_celltype,
    ).where(EXPRESSION.c.result == bindparam("result"))
)
_INSERT = insert_statement(
    EXPRESSION, "input_checksum", "path", "celltype", "target_celltype", "result"
)
_UPDATE = Statement(update(EXPRESSION).where(*_IS_KEY).values(result=bindparam("new")))


@dataclass(frozen=True, slots=True)
class _KeyRequest(Request):
    """A request with the key of an expression; the path is the JSON text that is stored."""

    checksum: str
    path: str
    celltype: str
    target_celltype: str

    @classmethod
    def from_fields(cls, fields: RequestFields) -> Self:
        checksum, path, *others = extract(cls.field_types, fields)
        return cls(checksum, spaced(path), *others)

    def row(self, connection: StatementConnection) -> Row | None:
        return connection.one(_RESULT, **self.parameters())

    def parameters(self) -> dict[str, str]:
        return {
            "input_of": self.checksum,
            "path_of": self.path,
            "celltype_of": self.celltype,
            "target_of": self.target_celltype,
        }


@dataclass(frozen=True, slots=True)
class GetExpression(_KeyRequest, ReadRequest):
    """Read the result of an expression."""

    field_types: ClassVar[FieldSpecs] = _KEY
    is_point_lookup: ClassVar[bool] = True

    def run(self, connection: StatementConnection) -> str | None:
        """Return the bare checksum of the result."""
        row = self.row(connection)
        return None if row is None else valid_checksum(row[0], EXPRESSION.c.result, self.checksum)


@dataclass(frozen=True, slots=True)
class GetRevExpression(ReadRequest):
    """Read the expressions with a result."""

    result: str
    field_types: ClassVar[FieldSpecs] = {"checksum": CHECKSUM}

    def run(self, connection: StatementConnection) -> str | None:
        """Return a JSON list of objects."""
        rows = connection.all(_BY_RESULT, result=self.result)
        objects = [found for row in rows if (found := self._object(row))]
        return f"[{', '.join(objects)}]" if objects else None

    def _object(self, row: Row) -> str | None:
        checksum = valid_checksum(row[0], EXPRESSION.c.input_checksum, self.result)
        path = valid_json(row[1], EXPRESSION.c.path, self.result)
        celltype = valid_text(row[2], EXPRESSION.c.celltype, self.result)
        target = valid_text(row[3], EXPRESSION.c.target_celltype, self.result)
        if checksum is None or path is None or celltype is None or target is None:
            return None
        # the path is stored as JSON text
        return (
            f'{{"checksum": "{checksum}", "path": {path}, "celltype": {spaced(celltype)}, '
            f'"target_celltype": {spaced(target)}, "result": "{self.result}"}}'
        )


@dataclass(frozen=True, slots=True)
class PutExpression(_KeyRequest, WriteRequest):
    """Store the result of an expression."""

    result: str
    field_types: ClassVar[FieldSpecs] = {
        **_KEY,
        "path": ARRAY.with_schema(description=_WHOLE),
        "celltype": _SHORT,
        "target_celltype": _SHORT,
        "value": CHECKSUM,
    }

    def __post_init__(self) -> None:
        if len(self.path) > MAX_PATH:
            raise _too_long("path", f"{MAX_PATH} characters as JSON text")
        for name in ("celltype", "target_celltype"):
            if len(getattr(self, name)) > MAX_CELLTYPE:
                raise _too_long(name, f"{MAX_CELLTYPE} characters")
        if self.path != "[]" and self.celltype not in WITH_PATH:
            names = ", ".join(WITH_PATH)
            message = f"the field 'path' must be empty unless 'celltype' is one of {names}"
            raise RequestError(message, "path")

    def lock_keys(self) -> tuple[str, ...]:
        """Name the input, whatever the path is."""
        return (f"expression {self.checksum}",)

    def run(self, connection: StatementConnection) -> None:
        """Store the result; it replaces another one."""
        former = self.row(connection)
        if former is None:
            connection.run(
                _INSERT,
                input_checksum=self.checksum,
                path=self.path,
                celltype=self.celltype,
                target_celltype=self.target_celltype,
                result=self.result,
            )
        elif former[0] != self.result:
            connection.run(_UPDATE, **self.parameters(), new=self.result)


def _too_long(name: str, most: str) -> RequestError:
    return RequestError(f"the field {name!r} is too long; the limit is {most}", name)
