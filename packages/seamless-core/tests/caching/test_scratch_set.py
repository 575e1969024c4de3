from __future__ import annotations

from seamless.caching.scratch_set import RecentSet


def digest(number: int) -> bytes:
    return number.to_bytes(32, "big")


def test_a_digest_stays_until_it_is_removed() -> None:
    marks = RecentSet()
    marks.add(digest(1))
    assert digest(1) in marks
    marks.discard(digest(1))
    assert digest(1) not in marks
    assert len(marks) == 0


def test_recent_digests_are_kept_and_old_ones_dropped() -> None:
    marks = RecentSet(max_entries=10)
    for number in range(100):
        marks.add(digest(number))
        assert len(marks) <= 20
        recent = range(max(0, number - 9), number + 1)
        assert all(digest(one) in marks for one in recent)
    assert digest(0) not in marks


def test_a_digest_that_is_looked_up_is_kept() -> None:
    marks = RecentSet(max_entries=10)
    for number in range(1, 100):
        marks.add(digest(number))
        marks.add(digest(0)) if number == 1 else None
        assert digest(0) in marks


def test_an_old_digest_is_removed_as_well() -> None:
    marks = RecentSet(max_entries=2)
    for number in range(4):
        marks.add(digest(number))
    marks.discard(digest(0))
    assert digest(0) not in marks
