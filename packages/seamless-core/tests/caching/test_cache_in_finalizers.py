"""Calls of the cache by finalizers, callbacks and signal handlers, at any moment."""

from __future__ import annotations

import gc
import random
import signal
import sys
import weakref
from collections import Counter
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

import pytest
from cache_activity import CONTENTS, Activity, assert_tables_add_up, small_cache

from seamless import Buffer, Checksum
from seamless.caching import (
    eviction_queue,
    references,
    score,
    scratch_set,
    strong_table,
    weak_table,
)
from seamless.caching.buffer_cache import BufferCache, TempRef
from seamless.caching.finalizer_lock import BROKEN
from seamless.util.lru import LRU

ROUNDS = 300
CHANGED = Checksum(b"c" * 32)


class Inner:
    """What runs inside other calls: operations whose counted references are written down."""

    def __init__(self, cache: BufferCache[Buffer], seed: int) -> None:
        self.activity = Activity(cache, ("inner", seed))
        self.cache = cache
        self.random = random.Random(seed)
        self.references: Counter[bytes] = Counter()
        self.calls = 0
        self.busy = False

    def __call__(self, *_: object) -> None:
        if self.busy:  # a finalizer inside the finalizer
            return
        self.busy = True
        try:
            self.calls += 1
            self.act()
        finally:
            self.busy = False

    def act(self) -> None:
        made = Buffer(self.random.choice(CONTENTS))
        name = made.get_checksum()
        kind = self.random.randrange(4)
        if kind == 0:
            self.cache.incref(name, buffer=made, scratch=True)
            self.references[name.bytes()] += 1
        elif kind == 1 and self.references[name.bytes()]:
            self.cache.decref(name)
            self.references[name.bytes()] -= 1
        elif kind == 2:
            asked = self.cache.tempref(name, buffer=made, interest=2.0, scratch=True)
            assert isinstance(asked, TempRef)
        else:
            self.activity.act()


@pytest.fixture
def small() -> BufferCache[Buffer]:
    return small_cache()


@pytest.fixture
def inner(small: BufferCache[Buffer]) -> Iterator[Inner]:
    """Operations for calling from inside; in the end no reference is lost or taken twice."""
    found = Inner(small, seed=7)
    yield found
    assert found.calls > ROUNDS / 10
    assert_tables_add_up(small)
    counted = {name.bytes(): entry.normal_refs for name, entry in small.strong_cache.items()}
    assert +Counter(counted) == +found.references


def act_often(cache: BufferCache[Buffer]) -> None:
    activity = Activity(cache, "outer")
    for _ in range(ROUNDS):
        activity.act()


def test_the_cache_can_be_called_at_any_line(small: BufferCache[Buffer], inner: Inner) -> None:
    chosen = random.Random(1)

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        if not frame.f_globals.get("__name__", "").startswith("seamless."):
            return None
        if event == "line" and chosen.random() < 0.05:
            inner()
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        act_often(small)
    finally:
        sys.settrace(before)


def test_finalizers_of_cyclic_garbage(small: BufferCache[Buffer], inner: Inner) -> None:
    class Garbage:
        def __init__(self) -> None:
            self.itself = self

        def __del__(self) -> None:
            inner()

    before = gc.get_threshold()
    gc.set_threshold(1)
    try:
        activity = Activity(small, "outer")
        for _ in range(ROUNDS):
            Garbage()
            activity.act()
    finally:
        gc.set_threshold(*before)
    gc.collect()


def test_callbacks_of_the_garbage_collector(small: BufferCache[Buffer], inner: Inner) -> None:
    before = gc.get_threshold()
    gc.callbacks.append(inner)
    gc.set_threshold(20)
    try:
        act_often(small)
    finally:
        gc.callbacks.remove(inner)
        gc.set_threshold(*before)


def test_callbacks_of_weak_references_to_buffers(
    small: BufferCache[Buffer], inner: Inner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Buffers die wherever the last reference to one goes, also inside the cache."""
    kept: set[weakref.ref[Buffer]] = set()

    def watched(known: Callable[..., object], key: Checksum, buffer: Buffer) -> object:
        kept.add(weakref.ref(buffer, inner))
        return known(key, buffer)

    add = small._weak.add
    monkeypatch.setattr(type(small._weak), "add", lambda _, key, buffer: watched(add, key, buffer))
    act_often(small)


def test_signal_handlers(small: BufferCache[Buffer], inner: Inner) -> None:
    before = signal.signal(signal.SIGALRM, inner)
    signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
    try:
        while inner.calls < ROUNDS:
            act_often(small)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_a_finalizer_that_uses_an_lru_in_the_middle_of_its_methods() -> None:
    lru: LRU[int, int] = LRU(3)
    chosen = random.Random(2)

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        if frame.f_globals.get("__name__") != "seamless.util.lru":
            return None
        if event == "line" and chosen.random() < 0.3:
            key = chosen.randrange(6)
            if chosen.randrange(2):
                lru[key] = key
            else:
                lru.pop(key, None)
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        for number in range(2000):
            lru[number % 6] = number % 6
            lru.get(number * 7 % 6)
            lru.pop(number * 5 % 6, None)
    finally:
        sys.settrace(before)
    assert len(lru) <= 3
    assert all(lru[key] == key for key in list(lru))


def test_recursion_that_is_too_deep_inside_the_cache_leaves_tables_that_add_up(
    small: BufferCache[Buffer],
) -> None:
    activity = Activity(small, "deep")

    def deep(levels: int) -> None:
        if levels:
            deep(levels - 1)
        else:
            activity.act()

    errors = 0
    for number in range(600):
        try:
            deep(sys.getrecursionlimit() - number % 150 - 30)
        except RecursionError:
            errors += 1
    assert 0 < errors < 600
    assert_tables_add_up(small)


#: modules that run while the cache holds its lock, and neither take nor release a lock
TABLES = {
    module.__name__
    for module in (eviction_queue, references, score, scratch_set, strong_table, weak_table)
}


def test_an_error_at_any_line_of_the_tables_leaves_tables_that_add_up(
    small: BufferCache[Buffer],
) -> None:
    """For example MemoryError, which any line may raise."""
    chosen = random.Random(3)

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        if frame.f_globals.get("__name__") not in TABLES:
            return None
        if event == "line" and chosen.random() < 0.01:
            raise MemoryError
        return trace

    activity = Activity(small, "short")
    before = sys.gettrace()
    errors = 0
    for _ in range(ROUNDS):
        sys.settrace(trace)  # an error ends the tracing
        try:
            activity.act()
        except MemoryError:
            errors += 1
        finally:
            sys.settrace(before)
    assert errors > ROUNDS / 10
    assert_tables_add_up(small)


def test_a_deferred_call_runs_when_the_change_has_ended(small: BufferCache[Buffer]) -> None:
    held, loose = Buffer(b"held"), Buffer(b"loose")
    absent = Checksum(b"a" * 32)

    def change() -> None:
        small.incref(held.get_checksum(), buffer=held, scratch=True)
        small.tempref(loose.get_checksum(), buffer=loose, scratch=True)
        small.register(absent, Buffer(b"waited for"))
        small.set_caps(hard=2000)
        assert small.run_eviction_once() == (0, 0)
        assert small.purge_scratch(loose.get_checksum()) == 0
        assert len(small.strong_cache) == 1

    small.incref(absent, scratch=True)
    small._guard.change(change)
    assert {held.get_checksum(), absent} == set(small.strong_cache)
    assert small.hard_cap == 2000
    assert_tables_add_up(small)


def test_a_deferred_decref_cancels_only_an_incref_of_the_same_buffer(
    small: BufferCache[Buffer],
) -> None:
    held, cancelled = Buffer(b"held"), Buffer(b"cancelled")

    def change() -> None:
        small.decref(Checksum(b"a" * 32))
        small.decref(cancelled.get_checksum())
        small.incref(held.get_checksum(), buffer=held, scratch=True)
        small.incref(cancelled.get_checksum(), buffer=cancelled, scratch=True)

    small._guard.change(change)
    assert set(small.strong_cache) == {held.get_checksum()}
    assert_tables_add_up(small)


def test_a_deferred_reference_is_taken_and_stored_once() -> None:
    stored: list[Buffer] = []
    cache: BufferCache[Buffer] = BufferCache(on_store=stored.append)
    counted, temporary = Buffer(b"counted"), Buffer(b"temporary")

    def change() -> None:
        cache.incref(counted.get_checksum(), buffer=counted)
        cache.tempref(temporary.get_checksum(), buffer=temporary)

    cache._guard.change(change)
    assert stored == [counted, temporary]
    assert set(cache.strong_cache) == {counted.get_checksum(), temporary.get_checksum()}
    cache.decref(counted.get_checksum())
    assert set(cache.strong_cache) == {temporary.get_checksum()}


@pytest.mark.parametrize(
    ("method", "function"), [("incref", "add_reference"), ("decref", "remove")]
)
def test_an_error_inside_a_reference_is_raised_and_repaired(
    small: BufferCache[Buffer], method: str, function: str
) -> None:
    def trace(frame: FrameType, event: str, _: Any) -> Any:
        if frame.f_code.co_name == function and frame.f_globals["__name__"] in TABLES:
            raise MemoryError
        return None

    made = Buffer(b"in error")
    small.incref(made.get_checksum(), buffer=made, scratch=True)
    before = sys.gettrace()
    sys.settrace(trace)
    try:
        with pytest.raises(MemoryError):
            getattr(small, method)(made.get_checksum())
    finally:
        sys.settrace(before)
    assert small._guard.state == BROKEN
    small.incref(CHANGED, scratch=True)
    assert set(small.strong_cache) - {made.get_checksum()} == {CHANGED}
    assert (made.get_checksum() in small.strong_cache) == (method == "incref")
    assert_tables_add_up(small)
