from __future__ import annotations

import math
import sys
from fractions import Fraction
from typing import Any

import pytest

from seamless.caching.references import TempRef


def test_interest_is_divided_by_the_factor_every_interval() -> None:
    tempref = TempRef(128.0, fade_factor=2.0, fade_interval=2.0, created=0.0)
    assert tempref.current_interest(6.0) == pytest.approx(16.0)


def test_a_refresh_restores_the_full_interest() -> None:
    tempref = TempRef(8.0, created=0.0)
    tempref.refresh(100.0)
    assert tempref.current_interest(100.0) == pytest.approx(8.0)


def test_interest_never_grows_when_the_clock_is_behind() -> None:
    assert TempRef(8.0, created=50.0).current_interest(10.0) == pytest.approx(8.0)


def test_a_very_old_interest_is_zero() -> None:
    assert TempRef(1.0, created=0.0).current_interest(1e6) == 0.0


def test_a_weaker_second_request_does_not_lower_the_interest() -> None:
    tempref = TempRef(100.0, created=0.0)
    tempref.renew(TempRef(10.0, created=2.0))
    assert tempref.current_interest(2.0) == pytest.approx(50.0)


def test_a_cleared_tempref_has_no_interest() -> None:
    tempref = TempRef(5.0)
    tempref.clear()
    assert tempref.current_interest() == 0.0


def test_the_lasting_interest_fades_to_one() -> None:
    tempref = TempRef(128.0, created=0.0)
    assert tempref.lasting_interest(4.0) == pytest.approx(32.0)
    assert tempref.fades_until == pytest.approx(14.0)
    assert tempref.lasting_interest(1e9) == 1.0


def test_a_lasting_interest_below_one_stays() -> None:
    tempref = TempRef(0.25, created=0.0)
    assert tempref.lasting_interest(1e9) == 0.25
    assert tempref.fades_until == 0.0


def test_a_fade_factor_of_one_never_fades() -> None:
    tempref = TempRef(8.0, fade_factor=1.0, created=0.0)
    assert tempref.fades_until == math.inf
    assert tempref.lasting_interest(1e9) == pytest.approx(8.0)


@pytest.mark.parametrize("number", [-1.0, math.nan, math.inf, -math.inf, -1, -(10**400), 10**400])
@pytest.mark.parametrize("place", range(3))
def test_invalid_parameters_are_rejected(place: int, number: float) -> None:
    terms = [1.0, 2.0, 2.0]
    terms[place] = number
    with pytest.raises(ValueError, match="of a tempref"):
        TempRef(*terms)


@pytest.mark.parametrize("terms", [(1.0, 0.5, 2.0), (1.0, 2.0, 0.0), (1.0, 2.0, 5e-324)])
def test_parameters_that_are_too_small_are_rejected(terms: tuple[float, float, float]) -> None:
    with pytest.raises(ValueError, match="of a tempref"):
        TempRef(*terms)


@pytest.mark.parametrize("place", range(3))
@pytest.mark.parametrize("given", ["8", None, 1j, [1.0]])
def test_parameters_that_are_not_numbers_are_rejected(place: int, given: object) -> None:
    terms: list[Any] = [1.0, 2.0, 2.0]
    terms[place] = given
    with pytest.raises(TypeError, match="of a tempref"):
        TempRef(*terms)


def test_parameters_may_be_any_numbers() -> None:
    assert TempRef(8, 2, 1, created=0.0).current_interest(2.0) == pytest.approx(2.0)
    half: Any = Fraction(1, 2)
    assert TempRef(half).interest == 0.5


def test_the_largest_float_is_an_interest() -> None:
    tempref = TempRef(sys.float_info.max, created=0.0)
    assert tempref.current_interest(0.0) == sys.float_info.max
