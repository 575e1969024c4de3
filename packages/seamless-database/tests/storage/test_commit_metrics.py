from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from seamless_database.storage.commit_metrics import SECONDS, Histogram

numbers = st.floats(min_value=0, max_value=100)


@given(st.lists(numbers))
def test_every_value_is_in_the_first_class_that_bounds_it(values: list[float]) -> None:
    distribution = Histogram(SECONDS)
    for value in values:
        distribution.add(value)
    bounds = (*SECONDS, math.inf)
    for i, bound in enumerate(bounds):
        assert sum(distribution.counts[: i + 1]) == sum(value <= bound for value in values)
    assert distribution.count == len(values)
    assert math.isclose(distribution.total, sum(values))


@given(st.lists(numbers), st.lists(numbers))
def test_a_sum_is_as_if_all_values_had_been_added(one: list[float], other: list[float]) -> None:
    parts = []
    for values in (one, other, [*one, *other]):
        parts.append(Histogram(SECONDS))
        for value in values:
            parts[-1].add(value)
    both = parts[0].merge(parts[1])
    assert both.counts == parts[2].counts
    assert math.isclose(both.total, parts[2].total)
