from __future__ import annotations

import math
import sys

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from seamless.caching.references import MIN_FADE_INTERVAL, TempRef
from seamless.caching.score import (
    HALF_LIFE,
    PriorityLine,
    ScoreInputs,
    decayed_uses,
    log_score,
    priority_line,
)

BASE = ScoreInputs(seconds=10.0, size=1000)


def score(**changed: float) -> float:
    return math.exp(log_score(BASE._replace(**changed)))  # type: ignore[arg-type]  # names are checked by _replace


def test_the_score_is_seconds_for_a_byte() -> None:
    assert score() == pytest.approx(10.0 / 1000)


def test_each_use_counts_alike() -> None:
    assert score(uses=3.0) == pytest.approx(3 * score())


def test_the_square_root_of_the_interest_counts() -> None:
    assert score(interest=16.0) == pytest.approx(4 * score())


def test_the_score_halves_every_half_life() -> None:
    assert score(age=2 * HALF_LIFE) == pytest.approx(score() / 4)


def test_past_uses_halve_every_half_life() -> None:
    assert decayed_uses(6.0, HALF_LIFE) == pytest.approx(3.0)


@pytest.mark.parametrize("worthless", [{"interest": 0.0}, {"seconds": 0.0}])
def test_a_buffer_without_interest_or_cost_has_the_lowest_score(
    worthless: dict[str, float],
) -> None:
    assert score(**worthless) == 0.0
    assert math.isfinite(log_score(BASE._replace(**worthless)))  # type: ignore[arg-type]  # as above


@pytest.mark.parametrize("seconds", [10.0, 5e-324])
def test_an_empty_buffer_counts_as_one_byte(seconds: float) -> None:
    one = log_score(BASE._replace(size=1, seconds=seconds))
    assert one == pytest.approx(math.log(seconds))
    assert log_score(BASE._replace(size=0, seconds=seconds)) == one


def test_a_line_without_a_fading_interest_is_constant() -> None:
    assert priority_line(BASE, None, 5.0, 0.0) == PriorityLine(log_score(BASE))


@given(st.floats(0.01, 1e6), st.floats(1.0, 10.0), st.floats(0.1, 100.0), st.floats(0.0, 500.0))
def test_a_line_gives_the_score_at_every_later_time(
    interest: float, factor: float, interval: float, later: float
) -> None:
    tempref = TempRef(interest, factor, interval, created=100.0)
    terms = BASE._replace(interest=tempref.lasting_interest(100.0))
    line = priority_line(terms, tempref, 100.0, 0.0)
    then = BASE._replace(interest=tempref.lasting_interest(100.0 + later))
    assert line.at(100.0 + later) == pytest.approx(log_score(then), abs=1e-6)


def test_lines_made_at_different_turnovers_compare_as_the_scores_do() -> None:
    old = priority_line(BASE, None, 0.0, 0.0).at(9.0)
    new = priority_line(BASE, None, 9.0, HALF_LIFE).at(9.0)
    assert new - old == pytest.approx(math.log(2))


#: the smallest and the largest value of each input
seconds = st.floats(0.0, sys.float_info.max)
sizes = st.integers(0, 2**63 - 1)
times = st.floats(0.0, 1e9)


@given(
    st.tuples(seconds, sizes, st.floats(0.0, 1e15), st.floats(0.0, 1e6)),
    st.tuples(
        st.floats(0.0, sys.float_info.max),
        st.floats(1.0, sys.float_info.max),
        st.floats(MIN_FADE_INTERVAL, sys.float_info.max),
    ),
    st.tuples(times, times, times),
)
@example((5e-324, 1000, 1.0, 0.0), (10.0**300, 2.0, 1e-300), (0.0, 0.0, 0.0))
@example((0.0, 0, 0.0, 0.0), (0.0, 1.0, 1e308), (0.0, 1.0, 2.0))
@example((1.7e308, 2**63 - 1, 1.0, 0.0), (2.0, 1.0000000000000002, 1e308), (0.0, 1.0, 2.0))
def test_the_score_is_finite_for_all_that_is_accepted(
    terms: tuple[float, int, float, float],
    interest: tuple[float, float, float],
    moments: tuple[float, float, float],
) -> None:
    created, now, later = sorted(moments)
    cost, size, uses, age = terms
    tempref = TempRef(*interest, created)
    what = ScoreInputs(cost, size, uses, tempref.lasting_interest(now), age)
    assert math.isfinite(log_score(what))
    line = priority_line(what, tempref, now, age)
    assert math.isfinite(line.at(now))
    assert math.isfinite(line.at(later))
    assert line.at(later) <= line.at(now)


def test_a_sum_of_costs_that_is_too_large_for_a_float_has_a_score() -> None:
    assert math.isfinite(log_score(BASE._replace(seconds=math.inf)))


def test_an_interest_that_fades_at_once_counts_as_expired() -> None:
    tempref = TempRef(1e6, 2.0, 1e-9, created=100.0)
    line = priority_line(BASE._replace(interest=1e6), tempref, 100.0, 0.0)
    assert line == PriorityLine(log_score(BASE))
