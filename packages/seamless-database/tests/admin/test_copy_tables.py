"""The resume point of a copy: the last of the first rows that the target has without a gap."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest
from admin_samples import put, rows, transformation
from rich.console import Console
from rich.progress import Progress

from seamless_database.admin.access.rows import table_of
from seamless_database.admin.access.sqlite import connect
from seamless_database.admin.console import ProgressBars
from seamless_database.admin.copy_tables import (
    DifferentRowError,
    ResumePoint,
    copy_table,
    find_resume_point,
    fingerprints,
)
from seamless_database.models import Transformation

if TYPE_CHECKING:
    from pathlib import Path

TABLE = table_of(Transformation)
ROWS = [("a", "1"), ("b", "2"), ("c", "3")]


@pytest.mark.parametrize(
    ("positions", "expected"),
    [
        ([], ResumePoint(0, None)),
        ([0], ResumePoint(1, ("a",))),
        ([0, 1], ResumePoint(2, ("b",))),
        ([0, 1, 2], ResumePoint(3, ("c",))),
        ([0, 2], ResumePoint(2, ("a",))),
        ([1], ResumePoint(1, None)),
        ([1, 2], ResumePoint(2, None)),
    ],
)
def test_a_copy_resumes_at_the_first_missing_row(
    positions: list[int], expected: ResumePoint
) -> None:
    target = [ROWS[position] for position in positions]
    assert find_resume_point(TABLE, iter(ROWS), iter(target)) == expected


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ([("a", "2")], "a differs"),
        ([("A", "1")], "A is not in the source"),
        ([("a", "1"), ("bb", "1")], "bb is not in the source"),
        ([*ROWS, ("d", "1")], "d is not in the source"),
    ],
)
def test_the_first_row_that_differs_from_the_source_is_named(
    target: list[tuple[str, str]], message: str
) -> None:
    with pytest.raises(DifferentRowError, match=message):
        find_resume_point(TABLE, iter(ROWS), iter(target))


def test_the_progress_of_a_copy_is_counted_in_rows(tmp_path: Path) -> None:
    file = put(tmp_path / "a.db", *(transformation(number, "a") for number in range(3)))
    new = put(tmp_path / "b.db")
    first, *others = sorted(rows(file, TABLE.name))
    progress = Progress(console=Console(file=io.StringIO(), force_terminal=True))
    bars = ProgressBars(progress)
    with connect(file, "ro") as source, connect(new, "rw") as target:
        copy_table(source, target, TABLE, ResumePoint(1, (first[0],)), bars)
        assert fingerprints(source, [TABLE], bars)[TABLE.name].rows == 3
    assert rows(new, TABLE.name) == set(others)
    counts = [(task.description, task.completed, task.total) for task in progress.tasks]
    assert counts == [("Copying transformation", 2, 2), ("Verifying transformation", 3, 3)]
