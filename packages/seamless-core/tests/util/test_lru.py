from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seamless.util.lru import LRU
from seamless.util.pylru import lrucache


def test_the_least_recently_used_item_is_removed() -> None:
    cache: LRU[str, int] = lrucache(2)
    cache["a"], cache["b"] = 1, 2
    assert cache.get("a") == 1
    cache["c"] = 3
    assert set(cache) == {"a", "c"}


def test_a_missing_item_is_none_or_the_default() -> None:
    cache: LRU[str, int] = LRU(2)
    assert cache.get("a") is None
    assert cache.get("a", 5) == 5
    with pytest.raises(KeyError):
        cache["a"]


def test_the_callback_gets_removed_items() -> None:
    left: list[tuple[str, int]] = []
    cache: LRU[str, int] = LRU(1, lambda key, value: left.append((key, value)))
    cache["a"] = 1
    cache["a"] = 2
    cache["b"] = 3
    assert left == [("a", 2)]


def test_items_can_be_removed() -> None:
    cache: LRU[str, int] = LRU(2)
    cache["a"] = 1
    del cache["a"]
    assert "a" not in cache
    assert len(cache) == 0


def test_the_size_is_at_least_one() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        LRU(0)


@given(st.integers(1, 5), st.lists(st.integers(0, 9)))
def test_the_last_used_are_kept(size: int, keys: list[int]) -> None:
    cache: LRU[int, int] = LRU(size)
    for key in keys:
        cache[key] = key
    assert list(cache) == list(dict.fromkeys(reversed(keys)))[:size][::-1]


def test_threads_may_use_it_at_once() -> None:
    cache: LRU[int, int] = LRU(10)
    errors: list[Exception] = []

    def work() -> None:
        try:
            for number in range(3000):
                cache[number % 25] = number
                cache.get((number * 7) % 25)
                list(cache)
        except Exception as error:  # noqa: BLE001 - asserted below
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert len(cache) == 10
