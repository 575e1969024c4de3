"""The checksums that a database still needs: those of its results, and of what they depend on.

Facts about a buffer (buffer info) and claims need no buffer.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from sqlalchemy import Column, MetaData, Table, Text, func, select, union

from seamless_database.admin.access.database import open_snapshot
from seamless_database.admin.access.dialects import insert_new
from seamless_database.admin.access.output import temporary_file
from seamless_database.admin.access.rows import in_batches, stream
from seamless_database.admin.access.sqlite import connect, pragma
from seamless_database.admin.access.tables import require_current
from seamless_database.admin.buffers import input_checksums, is_checksum
from seamless_database.admin.checks import CHECKSUM_COLUMNS
from seamless_database.admin.provenance import checksums_in_record
from seamless_database.models import (
    BufferInfo,
    Claim,
    IrreproducibleTransformation,
    RevTransformation,
    Transformation,
)
from seamless_database.models import MetaData as ExecutionRecord

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sqlalchemy import Connection

    from seamless_database.admin.access.tables import TableInventory
    from seamless_database.admin.access.target import DatabaseTarget
    from seamless_database.admin.buffers import ReadBuffer
    from seamless_database.admin.console import ProgressBars

#: tables that need no buffers; the reverse rows repeat what `transformation` has
_WITHOUT_BUFFERS = (BufferInfo, Claim, RevTransformation)
#: checksums that are inserted at once
_BATCH = 5000
_LIVE = Table(
    "live", MetaData(), Column("checksum", Text, primary_key=True), sqlite_with_rowid=False
)


class LiveChecksums:
    """Collects checksums in a temporary file, and yields each once, in order.

    Parameters
    ----------
    scratch
        A connection to a new file.
    """

    def __init__(self, scratch: Connection) -> None:
        self._scratch = scratch
        #: transformations whose inputs are not known; None if they were not looked for
        self.without_buffer: int | None = None
        _LIVE.create(scratch)
        self._insert = str(insert_new(scratch, _LIVE).compile(dialect=scratch.dialect))

    def __len__(self) -> int:
        return self._scratch.scalar(select(func.count()).select_from(_LIVE)) or 0

    def __iter__(self) -> Iterator[str]:
        ordered = select(_LIVE.c.checksum).order_by(_LIVE.c.checksum)
        return (checksum for (checksum,) in stream(self._scratch, ordered))

    def add(self, values: Iterable[object]) -> None:
        """Add those of some values that are checksums."""
        for batch in in_batches(filter(is_checksum, values), _BATCH):
            self._scratch.exec_driver_sql("BEGIN")
            self._scratch.exec_driver_sql(self._insert, [(one,) for one in batch])
            self._scratch.exec_driver_sql("COMMIT")

    def add_tables(
        self, source: Connection, inventory: TableInventory, progress: ProgressBars
    ) -> None:
        """Add the checksums in the rows of a database."""
        for model, columns in CHECKSUM_COLUMNS.items():
            if inventory.has(model) and model not in _WITHOUT_BUFFERS:
                rows = stream(source, select(*columns))
                label = f"Reading {model.__tablename__}"
                self.add(value for row in progress.track(rows, label) for value in row)
        for record in (ExecutionRecord.record, IrreproducibleTransformation.record):
            if inventory.has(record.class_):
                texts = progress.track(stream(source, select(record)), "Reading records")
                self.add(found for (text,) in texts for found in checksums_in_record(text))

    def add_inputs(
        self,
        source: Connection,
        inventory: TableInventory,
        read_buffer: ReadBuffer,
        progress: ProgressBars,
    ) -> None:
        """Add the inputs of all transformations, and what their results hold."""
        models = (Transformation, IrreproducibleTransformation)
        present = [select(model.checksum, model.result) for model in models if inventory.has(model)]
        self.without_buffer = 0
        if not present:
            return
        keys = stream(source, union(*present))
        for key, result in progress.track(keys, "Reading transformations"):
            content = read_buffer(key)
            if content is None:
                self.without_buffer += 1
            else:
                self.add(input_checksums(content, result, read_buffer))


@contextmanager
def live_checksums(
    database: DatabaseTarget, read_buffer: ReadBuffer | None, progress: ProgressBars
) -> Iterator[LiveChecksums]:
    """Yield what one snapshot of a database needs, with inputs if buffers can be read."""
    with temporary_file() as file, connect(file, "rwc") as scratch:
        pragma(scratch, "journal_mode=OFF")
        checksums = LiveChecksums(scratch)
        with progress.task("Opening") as report, open_snapshot(database, report) as source:
            inventory = require_current(source, database)
            checksums.add_tables(source, inventory, progress)
            if read_buffer is not None:
                checksums.add_inputs(source, inventory, read_buffer, progress)
        yield checksums
