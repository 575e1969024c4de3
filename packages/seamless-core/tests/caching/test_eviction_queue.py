from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seamless.caching import eviction_queue
from seamless.caching.eviction_queue import MAX_RATES, EvictionQueue
from seamless.caching.score import PriorityLine

if TYPE_CHECKING:
    from collections.abc import Iterator

NAMES = [bytes([number]) * 32 for number in range(20)]
#: the value of the module, which the other tests replace
MAX_MOVES = eviction_queue.MAX_MOVES

actions = st.lists(
    st.tuples(
        st.sampled_from(["put", "put", "put", "discard", "take"]),
        st.sampled_from(NAMES),
        st.floats(-100, 100),
        st.sampled_from([0.0, 0.25, 1.0]),
        st.sampled_from([0.0, 5.0, 40.0, math.inf]),
    ),
    max_size=300,
)


@pytest.fixture(scope="module", autouse=True, params=[0, 3, 64])
def limits(request: pytest.FixtureRequest) -> Iterator[None]:
    """So many moves in a step that the order is never approximate; cleaning early and late."""
    before = eviction_queue.MAX_MOVES, eviction_queue._SLACK
    eviction_queue.MAX_MOVES, eviction_queue._SLACK = len(NAMES), request.param
    yield
    eviction_queue.MAX_MOVES, eviction_queue._SLACK = before


@given(actions)
def test_the_lowest_current_score_is_popped_first(
    actions: list[tuple[str, bytes, float, float, float]],
) -> None:
    queue = EvictionQueue()
    model: dict[bytes, PriorityLine] = {}
    for now, (action, name, at_zero, rate, until) in enumerate(actions):
        if action == "put":
            model[name] = PriorityLine(at_zero, rate, until)
            queue.put(name, model[name], float(now))
        elif action == "discard":
            model.pop(name, None)
            queue.discard(name)
        else:
            taken = queue.pop_lowest(float(now))
            assert (taken is None) == (not model)
            if taken is not None:
                least = min(line.at(float(now)) for line in model.values())
                assert model.pop(taken).at(float(now)) == least
        assert len(queue) == len(model)
        assert all(name in queue for name in model)


def test_the_number_of_stale_items_is_bounded() -> None:
    queue = EvictionQueue()
    for number in range(10_000):
        queue.put(NAMES[0], PriorityLine(float(number), 1.0, 5.0), 0.0)
    assert sum(map(len, queue._heaps.values())) <= 2 + eviction_queue._SLACK


def test_many_scores_that_become_constant_at_once_are_all_popped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(eviction_queue, "MAX_MOVES", 2)
    queue = EvictionQueue()
    names = [number.to_bytes(32, "big") for number in range(500)]
    for number, name in enumerate(names):
        queue.put(name, PriorityLine(float(number), 1.0, 5.0), 0.0)
    taken = [queue.pop_lowest(1000.0) for _ in names]
    assert set(taken) == set(names)
    assert queue.pop_lowest(1000.0) is None
    assert len(queue) == 0


@pytest.mark.parametrize("rate", [0.0, 1.0])
def test_dropping_stale_items_keeps_the_order_of_valid_ones(rate: float) -> None:
    queue = EvictionQueue()
    names = [number.to_bytes(32, "big") for number in range(200)]
    for turn in range(3):  # of 600 items 400 are stale, twice as many as before a cleaning
        for number, name in enumerate(names):
            queue.put(name, PriorityLine(float(turn * 7 + number * 37 % 200), rate), 0.0)
    assert sum(map(len, queue._heaps.values())) < 600
    expected = sorted(names, key=lambda name: int.from_bytes(name, "big") * 37 % 200)
    assert [queue.pop_lowest(0.0) for _ in names] == expected
    assert queue.pop_lowest(0.0) is None


def test_a_heap_of_stale_items_is_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(eviction_queue, "_SLACK", 64)
    queue = EvictionQueue()
    for rate in (1.0, 2.0, 3.0):  # the last one makes 128 of them stale, 1 too many
        for number in range(64):
            queue.put(number.to_bytes(32, "big"), PriorityLine(1.0, rate), 0.0)
    assert list(queue._heaps) == [3.0]
    assert len(queue) == 64


@pytest.mark.parametrize("rates", [(0.0, 0.0), (0.0, 1.0), (1.0, 0.0), (1.0, 1.0)])
def test_two_equal_scores_are_popped_one_after_the_other(
    rates: tuple[float, float],
) -> None:
    queue = EvictionQueue()
    for name, rate in zip(NAMES, rates, strict=False):
        queue.put(name, PriorityLine(5.0, rate), 0.0)
    assert {queue.pop_lowest(0.0), queue.pop_lowest(0.0)} == set(NAMES[:2])
    assert len(queue) == 0
    assert NAMES[0] not in queue


def test_a_score_that_becomes_constant_now_is_that_of_its_line() -> None:
    queue = EvictionQueue()
    queue.put(NAMES[0], PriorityLine(10.0, 1.0, 4.0), 0.0)
    queue.put(NAMES[1], PriorityLine(6.5), 0.0)
    queue.put(NAMES[2], PriorityLine(5.5), 0.0)
    assert [queue.pop_lowest(4.0) for _ in range(3)] == [NAMES[2], NAMES[0], NAMES[1]]


def test_constant_scores_do_not_hide_falling_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(eviction_queue, "MAX_MOVES", MAX_MOVES)
    queue = EvictionQueue()
    queue.put(NAMES[0], PriorityLine(10.0, 1.0, 2.0), 0.0)
    queue.put(NAMES[1], PriorityLine(11.0, 1.0), 0.0)
    assert queue.pop_lowest(100.0) == NAMES[1]


def test_many_rates_share_few_heaps() -> None:
    queue = EvictionQueue()
    names = [number.to_bytes(32, "big") for number in range(3000)]
    for number, name in enumerate(names):
        queue.put(name, PriorityLine(float(number), (1 + number) * 1e-3, 5.0), 0.0)
        queue.put(name, PriorityLine(float(number), 10.0 ** -(number % 300), 5.0), 0.0)
    assert len(queue._heaps) < eviction_queue.MAX_RATES + 60
    assert {queue.pop_lowest(1.0) for _ in names} == set(names)


def test_a_slow_decay_still_counts_among_many_rates() -> None:
    queue = EvictionQueue()
    for number in range(MAX_RATES):
        queue.put(bytes([number]), PriorityLine(1000.0, 1.0 + number / 1000, 1.0), 0.0)
    queue.put(b"slow", PriorityLine(10.0, 2.0**-20), 0.0)
    queue.put(b"constant", PriorityLine(9.5), 0.0)
    assert queue.pop_lowest(0.0) == b"constant"
    queue.put(b"constant", PriorityLine(9.5), 0.0)
    assert queue.pop_lowest(2.0**20) == b"slow"


@given(
    st.floats(-100, 100),
    st.floats(1e-320, 1e3),
    st.floats(0, 1e6),
    st.one_of(st.just(math.inf), st.floats(0, 1e6)),
)
def test_a_line_with_a_rounded_rate_begins_and_ends_at_the_same_score(
    score: float, rate: float, now: float, seconds: float
) -> None:
    line = PriorityLine(score + rate * now, rate, now + seconds)
    rounded = eviction_queue._with_rounded_rate(line, now)
    assert rounded.at(now) == pytest.approx(line.at(now), abs=1e-6)
    if math.isfinite(seconds):
        later = now + 2 * seconds + 1
        assert rounded.at(later) == pytest.approx(line.at(later), rel=1e-6, abs=1e-4)
    falls = rounded.loss_per_second
    assert falls == 0 or math.log2(falls) == round(math.log2(falls))
