"""The resume point of a copy: the last of the first rows that the target has without a gap."""

from __future__ import annotations

import pytest

from seamless_database.admin.access.rows import table_of
from seamless_database.admin.copy_tables import DifferentRowError, ResumePoint, find_resume_point
from seamless_database.models import Transformation

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
