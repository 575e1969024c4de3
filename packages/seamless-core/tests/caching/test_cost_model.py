from __future__ import annotations

import itertools
import math
import threading
from typing import TYPE_CHECKING, Any

import pytest

from seamless import Checksum
from seamless.caching.cost_model import (
    DEFAULT_TRANSFORMATION_SECONDS,
    MAX_DEPTH,
    PROFILES,
    CostModel,
    CostProfile,
)

if TYPE_CHECKING:
    from collections.abc import Callable

RESULT, FIRST, SECOND = (Checksum(bytes([number]) * 32) for number in range(3))


@pytest.fixture
def book() -> CostModel:
    return CostModel()


def seconds(book: CostModel, size: int = 0, *, stored: bool = False) -> float:
    return book.estimate(RESULT.bytes(), size, stored=stored).seconds


def test_unknown_costs_count_as_a_recomputation(book: CostModel) -> None:
    assert book.estimate(RESULT.bytes(), 0) == (DEFAULT_TRANSFORMATION_SECONDS, "unknown")


def test_a_stored_buffer_is_downloaded(book: CostModel) -> None:
    assert seconds(book, 10**6, stored=True) == PROFILES["local_hashserver"].seconds(10**6)


@pytest.mark.parametrize("stored", [False, True])
def test_a_larger_buffer_takes_longer(book: CostModel, stored: bool) -> None:
    assert seconds(book, 10**9, stored=stored) > seconds(book, 10, stored=stored)


def test_profiles_of_remote_stores_cost_more(book: CostModel) -> None:
    costs = []
    for name in ("read_buffer", "local_hashserver", "remote_hashserver"):
        book.set_profile(RESULT, name)
        costs.append(seconds(book, 10**8))
    assert costs == sorted(costs)
    assert len(set(costs)) == 3


def test_the_error_of_an_unknown_profile_lists_the_known_ones(book: CostModel) -> None:
    with pytest.raises(ValueError, match=r"'moon'.*read_buffer"):
        book.set_profile(RESULT, "moon")


def test_a_recorded_download_cost_overrides_the_profile(book: CostModel) -> None:
    book.set_profile(RESULT, "remote_hashserver")
    book.set_download_seconds(RESULT, 7.0)
    assert seconds(book, 10**9) == 7.0


def test_a_recorded_computation_replaces_the_default(book: CostModel) -> None:
    book.set_compute_seconds(RESULT, 5.0)
    assert book.estimate(RESULT.bytes(), 0) == (5.0, "recomputation")


def test_a_download_is_preferred_to_a_recomputation(book: CostModel) -> None:
    book.set_compute_seconds(RESULT, 500.0)
    book.set_profile(RESULT, "read_buffer")
    assert book.estimate(RESULT.bytes(), 0).source == "download (read_buffer)"


def test_dependencies_are_computed_too(book: CostModel) -> None:
    book.set_compute_seconds(RESULT, 1.0)
    book.set_compute_seconds(FIRST, 10.0)
    book.set_compute_seconds(SECOND, 100.0)
    book.set_dependencies(RESULT, [FIRST])
    book.set_dependencies(FIRST, [SECOND])
    assert seconds(book) == 111.0


def test_a_dependency_that_can_be_downloaded_ends_the_chain(book: CostModel) -> None:
    book.set_compute_seconds(RESULT, 1.0)
    book.set_compute_seconds(SECOND, 100.0)
    book.set_dependencies(RESULT, [FIRST])
    book.set_dependencies(FIRST, [SECOND])
    book.set_length(FIRST, 10**9)
    book.set_profile(FIRST, "local_hashserver")
    assert seconds(book) == pytest.approx(1.0 + 10.01)


def test_the_default_costs_are_these(book: CostModel) -> None:
    costs = {name: profile.seconds(10**9) for name, profile in PROFILES.items()}
    assert costs == {
        "read_buffer": 1.0 + 0.001,
        "local_hashserver": 10.0 + 0.01,
        "remote_hashserver": 100.0 + 0.1,
    }
    assert seconds(book, 10**9) == 60.0 + 1.0
    assert CostProfile("without a minimum", 1.0).seconds(0) == 0.0


def test_the_recorded_length_counts_if_no_size_is_given(book: CostModel) -> None:
    book.set_download_seconds(SECOND, 1.0)
    book.set_length(RESULT, 3 * 10**9)
    assert book.estimate(RESULT.bytes()).seconds == 63.0
    assert book.estimate(RESULT.bytes(), 0).seconds == 60.0
    assert book.estimate(FIRST.bytes()).seconds == 60.0


def test_the_download_of_a_dependency_counts_with_or_without_its_length(book: CostModel) -> None:
    book.set_compute_seconds(RESULT, 1.0)
    book.set_dependencies(RESULT, [FIRST, SECOND])
    book.set_profile(FIRST, "local_hashserver")
    book.set_download_seconds(SECOND, 4.0)
    assert seconds(book) == pytest.approx(1.0 + 0.01 + 4.0)


def test_a_chain_of_dependencies_is_followed_so_far(book: CostModel) -> None:
    chain = [Checksum(number.to_bytes(32, "big")) for number in range(2 * MAX_DEPTH)]
    for checksum, dependency in itertools.pairwise(chain):
        book.set_compute_seconds(checksum, 1.0)
        book.set_dependencies(checksum, [dependency])
    assert book.estimate(chain[0].bytes(), 0).seconds == 1.0 + MAX_DEPTH


def test_a_shared_dependency_is_counted_once(book: CostModel) -> None:
    book.set_compute_seconds(RESULT, 1.0)
    book.set_compute_seconds(SECOND, 100.0)
    book.set_dependencies(RESULT, [FIRST, SECOND])
    book.set_dependencies(FIRST, [SECOND])
    assert seconds(book) == 101.0


def test_circular_dependencies_terminate(book: CostModel) -> None:
    book.set_compute_seconds(RESULT, 1.0)
    book.set_compute_seconds(FIRST, 2.0)
    book.set_dependencies(RESULT, [FIRST])
    book.set_dependencies(FIRST, [RESULT])
    assert seconds(book) == 3.0


@pytest.mark.parametrize("amount", [-1.0, math.nan, math.inf, 10**400])
def test_the_error_of_an_invalid_cost_or_length_names_the_checksum(
    book: CostModel, amount: float
) -> None:
    setters: list[Callable[[Checksum, Any], None]] = [
        book.set_compute_seconds,
        book.set_download_seconds,
        book.set_length,
    ]
    for setter in setters:
        with pytest.raises(ValueError, match=RESULT.hex()):
            setter(RESULT, amount)


def test_a_length_beyond_the_limit_is_rejected(book: CostModel) -> None:
    book.set_length(RESULT, 2**63 - 1)
    with pytest.raises(ValueError, match="at most"):
        book.set_length(RESULT, 2**63)


def test_a_cost_that_is_not_a_number_is_rejected(book: CostModel) -> None:
    with pytest.raises(TypeError, match="number, not str"):
        book.set_compute_seconds(RESULT, "5")  # type: ignore[arg-type]  # the point of the test


def test_costs_recorded_by_concurrent_threads_are_all_kept(book: CostModel) -> None:
    start = threading.Barrier(2)

    def record(setter: Callable[[Checksum, int], None]) -> None:
        for number in range(500):
            start.wait(60)
            setter(Checksum(number.to_bytes(32, "big")), 7)

    setters = (book.set_length, book.set_compute_seconds)
    threads = [threading.Thread(target=record, args=(setter,)) for setter in setters]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    facts = [book._of(number.to_bytes(32, "big")) for number in range(500)]
    assert {(each.length, each.compute_seconds) for each in facts} == {(7, 7.0)}


def test_the_number_of_recorded_costs_is_bounded() -> None:
    book = CostModel(max_entries=100)
    for number in range(1000):
        checksum = Checksum(number.to_bytes(32, "big"))
        book.set_compute_seconds(checksum, 1.0)
        book.save_uses(checksum.bytes(), 2.0, 0.0)
    assert len(book) == 200


def test_past_uses_are_returned_once(book: CostModel) -> None:
    book.save_uses(RESULT.bytes(), 3.0, 1.5)
    assert book.pop_uses(RESULT.bytes()) == (3.0, 1.5)
    assert book.pop_uses(RESULT.bytes()) is None
