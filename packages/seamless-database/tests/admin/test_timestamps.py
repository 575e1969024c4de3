from __future__ import annotations

from datetime import datetime, timezone

import pytest

from seamless_database.admin.timestamps import format_time, parse_time, time_of

NOON = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    "value",
    ["2026-03-01T12:00:00Z", "2026-03-01 13:00:00+01:00", "2026-03-01T12:00:00", 1772366400,
     1772366400.0, 1772366400000],
)  # fmt: skip
def test_a_time_is_parsed_in_every_supported_form(value: object) -> None:
    assert parse_time(value) == NOON


def test_a_number_above_the_limit_is_in_milliseconds() -> None:
    limit = 10**11
    assert parse_time(limit) == datetime(5138, 11, 16, 9, 46, 40, tzinfo=timezone.utc)
    assert parse_time(limit + 1) == datetime(1973, 3, 3, 9, 46, 40, 1000, tzinfo=timezone.utc)


@pytest.mark.parametrize("value", ["noon", "", None, True, [], -1, 0, 1e300, float("nan"), 10**400])
def test_other_values_are_not_times(value: object) -> None:
    assert parse_time(value) is None


def test_the_end_is_preferred_to_the_beginning() -> None:
    record = {"started_at": "2020-01-01", "freshness": {"finished_at": "2026-03-01T12:00:00Z"}}
    assert time_of(record) == NOON


def test_a_record_without_a_time_has_none() -> None:
    assert time_of({"wall_time_seconds": 5}) is None
    assert format_time(None) is None


def test_a_time_is_formatted_in_utc() -> None:
    assert format_time(NOON) == "2026-03-01T12:00:00Z"
