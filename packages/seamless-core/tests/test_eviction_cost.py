from __future__ import annotations

import math

import pytest

from seamless.caching.eviction_cost import seconds_to_regain, worth_of
from seamless.caching.references import StrongEntry, TempRef


def entry(size: int = 1000, *, stored: bool = False, tempref: TempRef | None = None) -> StrongEntry:
    made = StrongEntry()
    made.size, made.stored, made.tempref = size, stored, tempref
    return made


def test_what_is_stored_somewhere_is_cheaper_to_regain() -> None:
    assert seconds_to_regain(10**6, stored=True) < seconds_to_regain(10**6, stored=False)


def test_a_larger_buffer_takes_longer_to_regain() -> None:
    for stored in (True, False):
        assert seconds_to_regain(10**9, stored=stored) > seconds_to_regain(10, stored=stored)


def test_worth_is_that_of_a_byte_so_large_buffers_leave_first() -> None:
    assert worth_of(entry(10**9)).at(0.0) < worth_of(entry(10)).at(0.0)


def test_worth_follows_the_fading_interest() -> None:
    tempref = TempRef(64.0, created=10.0)
    worth = worth_of(entry(tempref=tempref))
    plain = worth_of(entry()).at(0.0)
    for now in (10.0, 11.0, 500.0):
        assert worth.at(now) == pytest.approx(plain + tempref.log_interest(now))


def test_a_counted_reference_does_not_fade() -> None:
    held = entry(tempref=TempRef(64.0, created=0.0))
    held.normal_refs = 1
    assert worth_of(held).at(0.0) == worth_of(held).at(1e9)


def test_without_interest_nothing_is_worth_keeping() -> None:
    assert worth_of(entry(tempref=TempRef(0.0, created=0.0))).at(1.0) == -math.inf


def test_an_empty_buffer_has_a_worth() -> None:
    assert math.isfinite(worth_of(entry(0)).at(0.0))
