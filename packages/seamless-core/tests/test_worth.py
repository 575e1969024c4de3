from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seamless.caching.references import TempRef
from seamless.caching.worth import HALF_LIFE, Terms, Worth, faded_uses, log_score, worth_line

BASE = Terms(seconds=10.0, size=1000)


def score(**changed: float) -> float:
    return math.exp(log_score(BASE._replace(**changed)))  # type: ignore[arg-type]  # names are checked by _replace


def test_the_score_is_seconds_for_a_byte() -> None:
    assert score() == pytest.approx(10.0 / 1000)


def test_each_use_counts_alike() -> None:
    assert score(uses=3.0) == pytest.approx(3 * score())


def test_the_interest_counts_by_its_root() -> None:
    assert score(interest=16.0) == pytest.approx(4 * score())


def test_the_score_halves_every_half_life() -> None:
    assert score(age=2 * HALF_LIFE) == pytest.approx(score() / 4)


def test_past_uses_halve_every_half_life() -> None:
    assert faded_uses(6.0, HALF_LIFE) == pytest.approx(3.0)


@pytest.mark.parametrize("worthless", [{"interest": 0.0}, {"seconds": 0.0}])
def test_what_nobody_wants_or_what_costs_nothing_is_worth_nothing(
    worthless: dict[str, float],
) -> None:
    assert score(**worthless) == 0.0


def test_an_empty_buffer_has_a_score() -> None:
    assert math.isfinite(log_score(BASE._replace(size=0)))


def test_a_line_is_level_without_an_interest_that_fades() -> None:
    assert worth_line(BASE, None, 5.0, 0.0) == Worth(log_score(BASE))


@given(st.floats(0.01, 1e6), st.floats(1.0, 10.0), st.floats(0.1, 100.0), st.floats(0.0, 500.0))
def test_a_line_says_the_score_of_every_later_moment(
    interest: float, factor: float, interval: float, later: float
) -> None:
    tempref = TempRef(interest, factor, interval, created=100.0)
    terms = BASE._replace(interest=tempref.lasting_interest(100.0))
    line = worth_line(terms, tempref, 100.0, 0.0)
    then = BASE._replace(interest=tempref.lasting_interest(100.0 + later))
    assert line.at(100.0 + later) == pytest.approx(log_score(then), abs=1e-6)


def test_lines_made_at_different_turnovers_compare_as_the_scores_do() -> None:
    old = worth_line(BASE, None, 0.0, 0.0).at(9.0)
    new = worth_line(BASE, None, 9.0, HALF_LIFE).at(9.0)
    assert new - old == pytest.approx(math.log(2))
