"""The oldest libraries that are allowed give the same bytes; the newest run in every other test."""

from __future__ import annotations

import subprocess

import pytest
from tools.compat import libraries


def test_the_lower_bounds_are_those_of_the_two_packages() -> None:
    bounds = libraries.lower_bounds()
    assert set(bounds) == {"numpy", "orjson", "sqlalchemy", "starlette", "uvicorn", "httptools"}
    assert all(bound[0].isdigit() for bound in bounds.values())


def test_the_oldest_libraries_give_the_recorded_bytes_and_answers() -> None:
    try:
        libraries.make("oldest")
    except subprocess.CalledProcessError as error:
        pytest.skip(f"the oldest libraries cannot be installed here: {error}")
    found, outcome = libraries.run_row("oldest")
    for version, bound in zip(found, libraries.lower_bounds().values(), strict=True):
        assert f"{version}.".startswith(f"{bound}.")
    assert outcome.failed == 0
    assert outcome.passed > 1000
