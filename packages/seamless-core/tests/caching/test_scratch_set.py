from __future__ import annotations

from seamless.caching.scratch_set import RecentSet


def digest(number: int) -> bytes:
    return number.to_bytes(32, "big")


def test_a_mark_stays_until_it_is_taken_away() -> None:
    marks = RecentSet()
    marks.add(digest(1))
    assert digest(1) in marks
    marks.discard(digest(1))
    assert digest(1) not in marks
    assert len(marks) == 0


def test_the_last_marks_are_remembered_and_old_ones_forgotten() -> None:
    marks = RecentSet(max_entries=10)
    for number in range(100):
        marks.add(digest(number))
        assert len(marks) <= 20
        recent = range(max(0, number - 9), number + 1)
        assert all(digest(one) in marks for one in recent)
    assert digest(0) not in marks


def test_a_mark_that_is_asked_for_is_remembered() -> None:
    marks = RecentSet(max_entries=10)
    for number in range(1, 100):
        marks.add(digest(number))
        marks.add(digest(0)) if number == 1 else None
        assert digest(0) in marks


def test_an_old_mark_is_taken_away_as_well() -> None:
    marks = RecentSet(max_entries=2)
    for number in range(4):
        marks.add(digest(number))
    marks.discard(digest(0))
    assert digest(0) not in marks
