"""The tables: columns, keys and indexes, in SQLAlchemy Core.

The server imports no models: SQLAlchemy's mapper would add a third to the time until it answers.

The first seven tables are exactly those of the published server, because both servers write to one
file. So no constraint may reject a write of the published server. JSON is stored as text; its form
(see `json_codec`) is part of the file format.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import CHAR, Column, Index, Integer, MetaData, String, Table, Text

if TYPE_CHECKING:
    from collections.abc import Mapping

#: holds all tables
SCHEMA = MetaData()

#: the current results of transformations
TRANSFORMATION = Table(
    "transformation",
    SCHEMA,
    Column("checksum", CHAR(64), primary_key=True),
    Column("result", CHAR(64), nullable=False),
    Index("transformation_result", "result"),
)
#: transformations with a result; published servers read reverse look-ups from this table
REV_TRANSFORMATION = Table(
    "rev_transformation",
    SCHEMA,
    Column("id", Integer, primary_key=True),
    Column("result", CHAR(64), nullable=False),
    Column("checksum", CHAR(64), nullable=False),
    Index("rev_transformation_result", "result"),
)
#: the known properties of buffers: length, dtype, …
BUFFER_INFO = Table(
    "buffer_info",
    SCHEMA,
    Column("checksum", CHAR(64), primary_key=True),
    Column("buffer_info", Text, nullable=False),
)
#: buffers (syntactic) and their meaning (semantic) under a cell type; many to many
SYNTACTIC_TO_SEMANTIC = Table(
    "syntactic_to_semantic",
    SCHEMA,
    Column("syntactic", CHAR(64), primary_key=True),
    Column("celltype", Text, primary_key=True),
    Column("subcelltype", Text, primary_key=True),
    Column("semantic", CHAR(64), primary_key=True),
    Index("syntactic_to_semantic_syntactic", "syntactic"),
    Index("syntactic_to_semantic_semantic", "semantic"),
)
#: results of converting the part of a buffer at a path; the validators are unused
EXPRESSION = Table(
    "expression",
    SCHEMA,
    Column("input_checksum", CHAR(64), primary_key=True),
    Column("path", String(100), primary_key=True),
    Column("celltype", String(20), primary_key=True),
    Column("target_celltype", String(20), primary_key=True),
    Column("validator", CHAR(64)),
    Column("validator_language", String(20)),
    Column("result", CHAR(64), nullable=False),
    Index("expression_result", "result"),
)
#: execution records of transformations and the results they belong to
META_DATA = Table(
    "meta_data",
    SCHEMA,
    Column("checksum", CHAR(64), primary_key=True),
    Column("result", CHAR(64), nullable=False),
    Column("metadata", Text, nullable=False),
    Index("meta_data_result", "result"),
)
#: former results of transformations that are irreproducible, with their execution records
IRREPRODUCIBLE = Table(
    "irreproducible_transformation",
    SCHEMA,
    Column("id", Integer, primary_key=True),
    Column("result", CHAR(64), nullable=False),
    Column("checksum", CHAR(64), nullable=False),
    Column("metadata", Text, nullable=False),
    Index("irreproducible_transformation_result", "result"),
    Index("irreproducible_transformation_checksum", "checksum"),
)
#: the last fingerprints of nodes, environments and queues; not in published servers
BUCKET_PROBE = Table(
    "bucket_probe",
    SCHEMA,
    Column("bucket_kind", String(20), primary_key=True),
    Column("label", Text, primary_key=True),
    Column("bucket_checksum", CHAR(64), nullable=False),
    Column("captured_at", Text, nullable=False),
    Column("freshness_tokens", Text, nullable=False),
    Index("bucket_probe_bucket_checksum", "bucket_checksum"),
)
#: which workers compute transformations at present; not in published servers. Times are decimal
#: numbers of seconds since 1970 by the clock of the database; a claim ends `seconds` after
#: `renewed_at`
CLAIM = Table(
    "claim",
    SCHEMA,
    Column("checksum", CHAR(64), primary_key=True),
    Column("holder", Text, nullable=False),
    Column("claimed_at", Text, nullable=False),
    Column("renewed_at", Text, nullable=False),
    Column("seconds", Text, nullable=False),
)

#: table name -> table
TABLES: Mapping[str, Table] = SCHEMA.tables
