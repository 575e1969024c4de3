"""Where a copy goes on: after the last of the first rows that the target has without a gap."""

from __future__ import annotations

import pytest

from seamless_database.admin.access.rows import table_of
from seamless_database.admin.copy_tables import DifferentRowError, ResumePoint, find_resume_point
from seamless_database.models import Transformation

TABLE = table_of(Transformation)
ROWS = [("a", "1"), ("b", "2"), ("c", "3")]


@pytest.mark.parametrize(
    ("places", "expected"),
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
def test_a_copy_goes_on_where_the_first_row_is_missing(
    places: list[int], expected: ResumePoint
) -> None:
    there = [ROWS[place] for place in places]
    assert find_resume_point(TABLE, iter(ROWS), iter(there)) == expected


@pytest.mark.parametrize(
    ("there", "words"),
    [
        ([("a", "2")], "a differs"),
        ([("A", "1")], "A is not in the source"),
        ([("a", "1"), ("bb", "1")], "bb is not in the source"),
        ([*ROWS, ("d", "1")], "d is not in the source"),
    ],
)
def test_a_row_that_the_source_lacks_or_has_otherwise_is_named(
    there: list[tuple[str, str]], words: str
) -> None:
    with pytest.raises(DifferentRowError, match=words):
        find_resume_point(TABLE, iter(ROWS), iter(there))
