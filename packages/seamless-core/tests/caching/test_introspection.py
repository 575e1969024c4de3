from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest
from small_cache import ABSENT, buffer, register, tempref

from seamless.caching.buffer_cache import BufferCache
from seamless.caching.introspection import Leak, ReferenceTrace, is_trace_wanted

if TYPE_CHECKING:
    from small_cache import Clock

    from seamless import Buffer


def test_explain_returns_the_inputs_of_the_score(cache: BufferCache[Buffer], clock: Clock) -> None:
    name = tempref(cache, buffer(100))
    with cache.update_costs(name) as costs:
        costs.set_compute_seconds(name, 50.0)
    cache.get(name)
    clock.now = 4.0
    explained = cache.explain(name)
    assert explained is not None
    assert (explained.checksum, explained.held_by, explained.source) == (
        name.hex(),
        "tempref",
        "recomputation",
    )
    assert (explained.size, explained.uses, explained.age) == (100, 2.0, 0.0)
    assert explained.interest == pytest.approx(32.0)
    assert explained.score == pytest.approx(2 * 32**0.5 * explained.seconds / 100)


def test_a_hit_after_an_eviction_weighs_more_than_earlier_uses(cache: BufferCache[Buffer]) -> None:
    made = buffer(100)
    cache.incref(register(cache, made))
    for fill in "ab":  # the second one evicts the first
        tempref(cache, buffer(800, fill))
    before = cache.explain(made.get_checksum())
    cache.get(made.get_checksum())
    after = cache.explain(made.get_checksum())
    assert before is not None
    assert after is not None
    assert (before.uses, before.age > 0) == (1.0, True)
    assert (1 < after.uses < 2, after.age) == (True, 0)


def test_an_unreferenced_buffer_has_no_explanation(cache: BufferCache[Buffer]) -> None:
    assert cache.explain(register(cache, buffer(10))) is None


def test_leaks_list_the_buffers_with_counted_references(cache: BufferCache[Buffer]) -> None:
    name = register(cache, made := buffer(10))
    cache.incref(name)
    cache.incref(name)
    tempref(cache, buffer(20, "t"))
    assert cache.leaks() == [Leak(name.hex(), 2, 10, ())]
    assert cache.report_leaks() == f"{name.hex()}: 2 references, 10 bytes"
    cache.decref(name)
    cache.decref(name)
    assert cache.leaks() == []
    assert cache.report_leaks() == ""
    assert len(made) == 10


def test_a_trace_lists_the_callers_of_incref(cache: BufferCache[Buffer]) -> None:
    cache.trace_references()
    for _ in range(2):
        cache.incref(ABSENT)
    (leak,) = cache.leaks()
    assert len(leak.lines) == 1
    assert leak.lines[0].startswith(f"{__file__}:")
    assert leak.lines[0].endswith("(2 times)")
    assert leak.lines[0] in cache.report_leaks()


def test_a_trace_skips_the_frames_of_the_package(
    cache: BufferCache[Buffer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seamless.caching.buffer_cache.get_buffer_cache", lambda: cache)
    cache.trace_references()
    ABSENT.incref(scratch=True)
    assert cache.leaks()[0].lines[0].startswith(f"{__file__}:")


def test_a_trace_removes_released_references(cache: BufferCache[Buffer]) -> None:
    cache.trace_references()
    cache.incref(ABSENT)
    cache.decref(ABSENT)
    cache.incref(ABSENT)
    assert len(cache.leaks()[0].lines) == 1
    assert "times" not in cache.leaks()[0].lines[0]


def test_a_trace_can_be_switched_off(cache: BufferCache[Buffer]) -> None:
    cache.trace_references()
    cache.trace_references(False)
    cache.incref(ABSENT)
    assert cache.leaks()[0].lines == ()


@pytest.mark.parametrize(("text", "traced"), [("1", 1), ("0", 0), ("", 0)])
def test_the_environment_switches_the_trace_on(
    monkeypatch: pytest.MonkeyPatch, text: str, traced: int
) -> None:
    monkeypatch.setenv("SEAMLESS_DEBUG_REFERENCES", text)
    cache: BufferCache[Buffer] = BufferCache()
    cache.incref(ABSENT)
    assert len(cache.leaks()[0].lines) == traced


def test_a_reference_without_a_buffer_is_explained(cache: BufferCache[Buffer]) -> None:
    cache.incref(ABSENT, scratch=True)
    explained = cache.explain(ABSENT)
    assert explained is not None
    assert (explained.in_memory, explained.size) == (False, 0)
    assert (explained.uses, explained.age) == (0.0, 0.0)
    assert math.isfinite(explained.log_score)


# -- ReferenceTrace -------------------------------------------------------------------

DIGEST = b"\xcd" * 32


def test_the_most_frequent_place_comes_first() -> None:
    trace = ReferenceTrace()
    trace.note(DIGEST)
    for _ in range(3):
        trace.note(DIGEST)
    first, second = trace.lines(DIGEST)
    assert first.startswith(f"{__file__}:")
    assert first.endswith("(3 times)")
    assert second.rpartition(":")[0] == __file__
    assert second.rpartition(":")[2].isdigit()


def test_a_checksum_without_recorded_lines_has_none() -> None:
    trace = ReferenceTrace()
    assert trace.lines(DIGEST) == ()
    trace.note(DIGEST)
    trace.forget(DIGEST)
    assert trace.lines(DIGEST) == ()


@pytest.mark.parametrize(
    ("text", "wanted"), [("1", True), ("yes", True), ("0", False), ("false", False), ("", False)]
)
def test_the_environment_variable_enables_the_trace(
    monkeypatch: pytest.MonkeyPatch, text: str, wanted: bool
) -> None:
    monkeypatch.setenv("SEAMLESS_DEBUG_REFERENCES", text)
    assert is_trace_wanted() == wanted
