from __future__ import annotations

import pytest

from seamless.stores import negative_cache
from seamless.stores.negative_cache import NegativeCache


class Clock:
    """A clock that is set by hand."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_add_returns_whether_the_key_is_new() -> None:
    held = NegativeCache()
    assert [held.add("a"), held.add("a"), held.add("b")] == [True, False, True]


def test_a_key_expires() -> None:
    clock = Clock()
    held = NegativeCache(10, clock)
    held.add("a")
    assert "a" in held
    clock.now = 10
    assert "a" not in held
    assert held.add("a") is False  # reported before
    assert "a" in held


def test_a_released_key_is_new_again() -> None:
    held = NegativeCache()
    held.add("a")
    held.release("a")
    held.release("never held")
    assert "a" not in held
    assert held.add("a") is True


def test_the_oldest_entries_are_dropped_above_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(negative_cache, "MAX_ENTRIES", 3)
    held = NegativeCache()
    for key in "abcd":
        held.add(key)
    assert [key in held for key in "abcd"] == [False, True, True, True]
