"""The eighth table, of bucket probes: an addition to the seven, in a room of its own."""

from __future__ import annotations

from sqlalchemy import CHAR, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from seamless_database.models import Base


class BucketProbe(Base):
    """The last fingerprint that was captured of a node, an environment or a queue."""

    __tablename__ = "bucket_probe"

    bucket_kind: Mapped[str] = mapped_column(String(20), primary_key=True)
    label: Mapped[str] = mapped_column(Text, primary_key=True)
    bucket_checksum: Mapped[str] = mapped_column(CHAR(64))
    captured_at: Mapped[str] = mapped_column(Text)
    freshness_tokens: Mapped[str] = mapped_column(Text)

    __table_args__ = (Index("bucket_probe_bucket_checksum", "bucket_checksum"),)
