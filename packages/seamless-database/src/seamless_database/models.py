"""SQLAlchemy models of the tables: columns, keys and indexes.

The first seven are exactly the tables of the published server, because both servers write to one
file. So no constraint may reject a write of the published server. JSON is stored as text; its form
(see `json_codec`) is part of the file format.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import CHAR, Index, Integer, String, Table, Text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

if TYPE_CHECKING:
    from collections.abc import Mapping


class Base(DeclarativeBase):
    """The base class, whose metadata holds all tables."""


class Transformation(Base):
    """The current result of a transformation."""

    __tablename__ = "transformation"

    checksum: Mapped[str] = mapped_column(CHAR(64), primary_key=True)
    result: Mapped[str] = mapped_column(CHAR(64))

    __table_args__ = (Index("transformation_result", "result"),)


class RevTransformation(Base):
    """A transformation with a result; published servers read reverse look-ups from this table."""

    __tablename__ = "rev_transformation"

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    result: Mapped[str] = mapped_column(CHAR(64))
    checksum: Mapped[str] = mapped_column(CHAR(64))

    __table_args__ = (Index("rev_transformation_result", "result"),)


class BufferInfo(Base):
    """The known properties of a buffer: its length, its dtype, …."""

    __tablename__ = "buffer_info"

    checksum: Mapped[str] = mapped_column(CHAR(64), primary_key=True)
    buffer_info: Mapped[str] = mapped_column(Text)


class SyntacticToSemantic(Base):
    """A buffer (syntactic) and its meaning (semantic) under a cell type; many to many."""

    __tablename__ = "syntactic_to_semantic"

    syntactic: Mapped[str] = mapped_column(CHAR(64), primary_key=True)
    celltype: Mapped[str] = mapped_column(Text, primary_key=True)
    subcelltype: Mapped[str] = mapped_column(Text, primary_key=True)
    semantic: Mapped[str] = mapped_column(CHAR(64), primary_key=True)

    __table_args__ = (
        Index("syntactic_to_semantic_syntactic", "syntactic"),
        Index("syntactic_to_semantic_semantic", "semantic"),
    )


class Expression(Base):
    """The result of converting the part of a buffer at a path; the validators are unused."""

    __tablename__ = "expression"

    input_checksum: Mapped[str] = mapped_column(CHAR(64), primary_key=True)
    path: Mapped[str] = mapped_column(String(100), primary_key=True)
    celltype: Mapped[str] = mapped_column(String(20), primary_key=True)
    target_celltype: Mapped[str] = mapped_column(String(20), primary_key=True)
    validator: Mapped[str | None] = mapped_column(CHAR(64))
    validator_language: Mapped[str | None] = mapped_column(String(20))
    result: Mapped[str] = mapped_column(CHAR(64))

    __table_args__ = (Index("expression_result", "result"),)


class MetaData(Base):
    """The execution record of a transformation and the result it belongs to."""

    __tablename__ = "meta_data"

    checksum: Mapped[str] = mapped_column(CHAR(64), primary_key=True)
    result: Mapped[str] = mapped_column(CHAR(64))
    # `metadata` itself is taken by SQLAlchemy's declarative classes
    record: Mapped[str] = mapped_column("metadata", Text)

    __table_args__ = (Index("meta_data_result", "result"),)


class IrreproducibleTransformation(Base):
    """A former result of a transformation that is irreproducible, with its execution record."""

    __tablename__ = "irreproducible_transformation"

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    result: Mapped[str] = mapped_column(CHAR(64))
    checksum: Mapped[str] = mapped_column(CHAR(64))
    record: Mapped[str] = mapped_column("metadata", Text)

    __table_args__ = (
        Index("irreproducible_transformation_result", "result"),
        Index("irreproducible_transformation_checksum", "checksum"),
    )


class BucketProbe(Base):
    """The last fingerprint of a node, an environment or a queue; not in published servers."""

    __tablename__ = "bucket_probe"

    bucket_kind: Mapped[str] = mapped_column(String(20), primary_key=True)
    label: Mapped[str] = mapped_column(Text, primary_key=True)
    bucket_checksum: Mapped[str] = mapped_column(CHAR(64))
    captured_at: Mapped[str] = mapped_column(Text)
    freshness_tokens: Mapped[str] = mapped_column(Text)

    __table_args__ = (Index("bucket_probe_bucket_checksum", "bucket_checksum"),)


#: table name -> table, for all models
TABLES: Mapping[str, Table] = Base.metadata.tables
