"""Semantic checksums: the relation of buffers (syntactic) and their meaning (semantic)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from sqlalchemy import bindparam, select

from seamless_database.json_codec import spaced
from seamless_database.protocol.field_types import (
    CHECKSUM,
    CHECKSUMS,
    TEXT,
    FieldSpecs,
)
from seamless_database.request_types.base import ReadRequest, WriteRequest
from seamless_database.request_types.damage import valid_checksums
from seamless_database.request_types.statements import (
    Statement,
    StatementConnection,
    encode_key_list,
    in_key_list,
    insert_statement,
)
from seamless_database.tables import SYNTACTIC_TO_SEMANTIC

if TYPE_CHECKING:
    from sqlalchemy import Column


def _select(wanted: Column[Any], key: Column[Any]) -> Statement:
    return Statement(
        select(wanted).where(
            key == bindparam("checksum"),
            SYNTACTIC_TO_SEMANTIC.c.celltype == bindparam("celltype"),
            SYNTACTIC_TO_SEMANTIC.c.subcelltype == bindparam("subcelltype"),
        )
    )


_KEY: FieldSpecs = {"checksum": CHECKSUM, "celltype": TEXT, "subcelltype": TEXT}

_SYNTACTIC = _select(SYNTACTIC_TO_SEMANTIC.c.syntactic, SYNTACTIC_TO_SEMANTIC.c.semantic)
_SEMANTIC = _select(SYNTACTIC_TO_SEMANTIC.c.semantic, SYNTACTIC_TO_SEMANTIC.c.syntactic)
_PRESENT = Statement(
    select(SYNTACTIC_TO_SEMANTIC.c.syntactic).where(
        SYNTACTIC_TO_SEMANTIC.c.semantic == bindparam("checksum"),
        SYNTACTIC_TO_SEMANTIC.c.celltype == bindparam("celltype"),
        SYNTACTIC_TO_SEMANTIC.c.subcelltype == bindparam("subcelltype"),
        in_key_list(SYNTACTIC_TO_SEMANTIC.c.syntactic),
    )
)
_INSERT = insert_statement(
    SYNTACTIC_TO_SEMANTIC, "syntactic", "celltype", "subcelltype", "semantic"
)


@dataclass(frozen=True, slots=True)
class _Side:
    """One side of the relation, under a cell type."""

    checksum: str
    celltype: str
    subcelltype: str

    def parameters(self) -> dict[str, str]:
        return {
            "checksum": self.checksum,
            "celltype": self.celltype,
            "subcelltype": self.subcelltype,
        }

    def find(
        self,
        connection: StatementConnection,
        statement: Statement,
        wanted: Column[Any],
    ) -> str | None:
        rows = connection.all(statement, **self.parameters())
        found = valid_checksums([checksum for (checksum,) in rows], wanted, self.checksum)
        return spaced(found) if found else None


@dataclass(frozen=True, slots=True)
class GetSemanticToSyntactic(_Side, ReadRequest):
    """Read the buffers with a meaning."""

    field_types: ClassVar[FieldSpecs] = _KEY

    def run(self, connection: StatementConnection) -> str | None:
        """Return a JSON list of syntactic checksums."""
        return self.find(connection, _SYNTACTIC, SYNTACTIC_TO_SEMANTIC.c.syntactic)


@dataclass(frozen=True, slots=True)
class GetSyntacticToSemantic(_Side, ReadRequest):
    """Read the meanings of a buffer."""

    field_types: ClassVar[FieldSpecs] = _KEY

    def run(self, connection: StatementConnection) -> str | None:
        """Return a JSON list of semantic checksums."""
        return self.find(connection, _SEMANTIC, SYNTACTIC_TO_SEMANTIC.c.semantic)


@dataclass(frozen=True, slots=True)
class PutSemanticToSyntactic(_Side, WriteRequest):
    """Store the buffers with a meaning."""

    syntactic: tuple[str, ...]
    field_types: ClassVar[FieldSpecs] = {**_KEY, "value": CHECKSUMS}

    def lock_keys(self) -> tuple[str, ...]:
        """Name the meaning, whatever the cell type is."""
        return (f"meaning {self.checksum}",)

    def run(self, connection: StatementConnection) -> None:
        """Add the buffers that are not stored yet."""
        # only the offered ones: a meaning may have any number of other buffers
        rows = connection.all(_PRESENT, **self.parameters(), keys=encode_key_list(self.syntactic))
        present = {syntactic for (syntactic,) in rows}
        # a dict keeps the order, and each checksum once
        for syntactic in dict.fromkeys(self.syntactic):
            if syntactic not in present:
                connection.run(
                    _INSERT,
                    syntactic=syntactic,
                    celltype=self.celltype,
                    subcelltype=self.subcelltype,
                    semantic=self.checksum,
                )
