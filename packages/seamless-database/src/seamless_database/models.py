"""SQLAlchemy models of the tables that `tables` defines."""

from __future__ import annotations

from sqlalchemy.orm import DeclarativeBase, Mapped, column_property

from seamless_database import tables

#: table name -> table
TABLES = tables.TABLES


class Base(DeclarativeBase):
    """The base class, whose metadata holds all tables."""

    metadata = tables.SCHEMA


class Transformation(Base):
    """The current result of a transformation."""

    __table__ = tables.TRANSFORMATION
    __tablename__ = __table__.name

    checksum: Mapped[str]
    result: Mapped[str]


class RevTransformation(Base):
    """A transformation with a result; published servers read reverse look-ups from this table."""

    __table__ = tables.REV_TRANSFORMATION
    __tablename__ = __table__.name

    id: Mapped[int]
    result: Mapped[str]
    checksum: Mapped[str]


class BufferInfo(Base):
    """The known properties of a buffer: its length, its dtype, …."""

    __table__ = tables.BUFFER_INFO
    __tablename__ = __table__.name

    checksum: Mapped[str]
    buffer_info: Mapped[str]


class SyntacticToSemantic(Base):
    """A buffer (syntactic) and its meaning (semantic) under a cell type; many to many."""

    __table__ = tables.SYNTACTIC_TO_SEMANTIC
    __tablename__ = __table__.name

    syntactic: Mapped[str]
    celltype: Mapped[str]
    subcelltype: Mapped[str]
    semantic: Mapped[str]


class Expression(Base):
    """The result of converting the part of a buffer at a path; the validators are unused."""

    __table__ = tables.EXPRESSION
    __tablename__ = __table__.name

    input_checksum: Mapped[str]
    path: Mapped[str]
    celltype: Mapped[str]
    target_celltype: Mapped[str]
    validator: Mapped[str | None]
    validator_language: Mapped[str | None]
    result: Mapped[str]


class MetaData(Base):
    """The execution record of a transformation and the result it belongs to."""

    __table__ = tables.META_DATA
    __tablename__ = __table__.name

    checksum: Mapped[str]
    result: Mapped[str]
    # `metadata` itself is taken by SQLAlchemy's declarative classes
    record: Mapped[str] = column_property(tables.META_DATA.c.metadata)


class IrreproducibleTransformation(Base):
    """A former result of a transformation that is irreproducible, with its execution record."""

    __table__ = tables.IRREPRODUCIBLE
    __tablename__ = __table__.name

    id: Mapped[int]
    result: Mapped[str]
    checksum: Mapped[str]
    record: Mapped[str] = column_property(tables.IRREPRODUCIBLE.c.metadata)


class BucketProbe(Base):
    """The last fingerprint of a node, an environment or a queue; not in published servers."""

    __table__ = tables.BUCKET_PROBE
    __tablename__ = __table__.name

    bucket_kind: Mapped[str]
    label: Mapped[str]
    bucket_checksum: Mapped[str]
    captured_at: Mapped[str]
    freshness_tokens: Mapped[str]


class Claim(Base):
    """Which worker computes a transformation at present; not in published servers."""

    __table__ = tables.CLAIM
    __tablename__ = __table__.name

    checksum: Mapped[str]
    holder: Mapped[str]
    claimed_at: Mapped[str]
    renewed_at: Mapped[str]
    seconds: Mapped[str]
