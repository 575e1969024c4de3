"""Semantic checksums: the relation of buffers (syntactic) and their meaning (semantic)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from sqlalchemy import bindparam, select

from seamless_database.json_codec import spaced
from seamless_database.models import SyntacticToSemantic
from seamless_database.protocol.field_types import (
    CHECKSUM,
    CHECKSUMS,
    TEXT,
    FieldSpecs,
    extract,
)
from seamless_database.request_types.damage import valid_checksums
from seamless_database.request_types.statements import (
    Connection,
    Statement,
    encode_key_list,
    in_key_list,
    insert_statement,
)

if TYPE_CHECKING:
    from sqlalchemy.orm import InstrumentedAttribute

    from seamless_database.protocol.request import RequestFields


def _select(wanted: InstrumentedAttribute[str], key: InstrumentedAttribute[str]) -> Statement:
    return Statement(
        select(wanted).where(
            key == bindparam("checksum"),
            SyntacticToSemantic.celltype == bindparam("celltype"),
            SyntacticToSemantic.subcelltype == bindparam("subcelltype"),
        )
    )


_KEY: FieldSpecs = {"checksum": CHECKSUM, "celltype": TEXT, "subcelltype": TEXT}

_SYNTACTIC = _select(SyntacticToSemantic.syntactic, SyntacticToSemantic.semantic)
_SEMANTIC = _select(SyntacticToSemantic.semantic, SyntacticToSemantic.syntactic)
_PRESENT = Statement(
    select(SyntacticToSemantic.syntactic).where(
        SyntacticToSemantic.semantic == bindparam("checksum"),
        SyntacticToSemantic.celltype == bindparam("celltype"),
        SyntacticToSemantic.subcelltype == bindparam("subcelltype"),
        in_key_list(SyntacticToSemantic.syntactic),
    )
)
_INSERT = insert_statement(SyntacticToSemantic, "syntactic", "celltype", "subcelltype", "semantic")


@dataclass(frozen=True, slots=True)
class _Key:
    """One side of the relation, under a cell type."""

    checksum: str
    celltype: str
    subcelltype: str

    def syntactic(self, connection: Connection) -> list[str]:
        return self._find(connection, _SYNTACTIC, SyntacticToSemantic.syntactic)

    def semantic(self, connection: Connection) -> list[str]:
        return self._find(connection, _SEMANTIC, SyntacticToSemantic.semantic)

    def parameters(self) -> dict[str, str]:
        return {
            "checksum": self.checksum,
            "celltype": self.celltype,
            "subcelltype": self.subcelltype,
        }

    def _find(
        self, connection: Connection, statement: Statement, wanted: InstrumentedAttribute[str]
    ) -> list[str]:
        rows = connection.all(statement, **self.parameters())
        return valid_checksums([checksum for (checksum,) in rows], wanted, self.checksum)


@dataclass(frozen=True, slots=True)
class GetSemanticToSyntactic:
    """Read the buffers with a meaning."""

    semantic: _Key
    field_types: ClassVar[FieldSpecs] = _KEY
    is_point_lookup: ClassVar[bool] = False

    @classmethod
    def from_fields(cls, fields: RequestFields) -> GetSemanticToSyntactic:
        """Parse `checksum`, the semantic one, `celltype` and `subcelltype`."""
        return cls(_Key(*extract(cls.field_types, fields)))

    def run(self, connection: Connection) -> str | None:
        """Return a JSON list of syntactic checksums."""
        return _listed(self.semantic.syntactic(connection))


@dataclass(frozen=True, slots=True)
class GetSyntacticToSemantic:
    """Read the meanings of a buffer."""

    syntactic: _Key
    field_types: ClassVar[FieldSpecs] = _KEY
    is_point_lookup: ClassVar[bool] = False

    @classmethod
    def from_fields(cls, fields: RequestFields) -> GetSyntacticToSemantic:
        """Parse `checksum`, the syntactic one, `celltype` and `subcelltype`."""
        return cls(_Key(*extract(cls.field_types, fields)))

    def run(self, connection: Connection) -> str | None:
        """Return a JSON list of semantic checksums."""
        return _listed(self.syntactic.semantic(connection))


@dataclass(frozen=True, slots=True)
class PutSemanticToSyntactic:
    """Store the buffers with a meaning."""

    semantic: _Key
    syntactic: tuple[str, ...]
    field_types: ClassVar[FieldSpecs] = {**_KEY, "value": CHECKSUMS}

    @classmethod
    def from_fields(cls, fields: RequestFields) -> PutSemanticToSyntactic:
        """Parse the semantic side, and `value`, a list of syntactic checksums."""
        *key, syntactic = extract(cls.field_types, fields)
        return cls(_Key(*key), syntactic)

    def lock_keys(self) -> tuple[str, ...]:
        """Name the meaning, whatever the cell type is."""
        return (f"meaning {self.semantic.checksum}",)

    def run(self, connection: Connection) -> None:
        """Add the buffers that are not stored yet."""
        # only the offered ones: a meaning may have any number of other buffers
        rows = connection.all(
            _PRESENT, **self.semantic.parameters(), keys=encode_key_list(self.syntactic)
        )
        present = {syntactic for (syntactic,) in rows}
        # a dict keeps the order, and each checksum once
        for syntactic in dict.fromkeys(self.syntactic):
            if syntactic not in present:
                connection.run(
                    _INSERT,
                    syntactic=syntactic,
                    celltype=self.semantic.celltype,
                    subcelltype=self.semantic.subcelltype,
                    semantic=self.semantic.checksum,
                )


def _listed(checksums: list[str]) -> str | None:
    return spaced(checksums) if checksums else None
