from __future__ import annotations

import pytest

from seamless import Buffer, Checksum
from seamless.caching import eviction_cost
from seamless.caching.buffer_cache import get_buffer_cache

NAMES = [Checksum(bytes([200 + number]) * 32) for number in range(8)]


def test_a_transformation_costs_what_was_recorded() -> None:
    eviction_cost.record_transformation_cost(NAMES[0], 12.0)
    assert eviction_cost.get_cost(NAMES[0]) == 12.0


def test_a_transformation_of_unknown_length_costs_the_default() -> None:
    eviction_cost.record_transformation_cost(NAMES[1], None)
    expected = eviction_cost.DEFAULT_TRANSFORMATION_SECONDS
    assert eviction_cost.get_cost(NAMES[1]) == expected


def test_a_registered_length_makes_the_download_longer() -> None:
    eviction_cost.set_download_profile(NAMES[2], "remote_hashserver")
    before = eviction_cost.get_cost(NAMES[2])
    eviction_cost.register_buffer_length(NAMES[2], 10**8)
    eviction_cost.register_buffer_length(NAMES[2], None)
    assert eviction_cost.get_cost(NAMES[2]) == pytest.approx(before + 10.0)


def test_the_length_may_be_an_argument() -> None:
    eviction_cost.set_download_profile(NAMES[3], "local_hashserver")
    profile = eviction_cost.DEFAULT_LOCAL_HASH_PROFILE
    assert eviction_cost.get_cost(NAMES[3], 10**7) == profile.seconds(10**7)


def test_a_download_may_be_overridden() -> None:
    eviction_cost.override_download_cost(NAMES[4], 3.5)
    assert eviction_cost.get_cost(NAMES[4], 10**9) == 3.5


def test_dependencies_add_their_costs_and_may_be_removed() -> None:
    eviction_cost.record_transformation_cost(NAMES[5], 1.0)
    eviction_cost.record_transformation_cost(NAMES[6], 2.0)
    eviction_cost.register_dependencies(NAMES[5], [NAMES[6]])
    assert eviction_cost.get_cost(NAMES[5]) == 3.0
    eviction_cost.register_dependencies(NAMES[5], None)
    assert eviction_cost.get_cost(NAMES[5]) == 1.0


def test_a_cost_counts_at_once_for_a_buffer_that_is_held() -> None:
    buffer = Buffer(b"held while its cost is learned")
    buffer.tempref(scratch=True)
    checksum = buffer.get_checksum()
    cache = get_buffer_cache()
    before = cache.explain(checksum)
    eviction_cost.record_transformation_cost(checksum, 1e6)
    after = cache.explain(checksum)
    cache.purge_scratch(checksum)
    assert before is not None
    assert after is not None
    assert after.score > before.score
