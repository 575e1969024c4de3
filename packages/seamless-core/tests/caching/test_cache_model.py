"""The buffer cache against a simple model, with enough entries to reach every internal limit.

The dirty set holds 128 entries, dead buffers are purged in batches of 64, and queues drop stale
items beyond 64: the rules below act on up to 300 buffers at once.
"""

from __future__ import annotations

import gc
import math
from collections.abc import Iterable

import pytest
from cache_activity import assert_tables_add_up
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from small_cache import Clock

from seamless import Buffer, Checksum
from seamless.caching import eviction_queue
from seamless.caching.buffer_cache import BufferCache
from seamless.caching.references import TempRef

CONTENTS = [b"%04d" % number * (1 + number * 7 % 30) for number in range(400)]
NAMES = [Buffer(content).get_checksum() for content in CONTENTS]
PLENTY = 1 << 40
#: scores that differ by less are equal: they are computed in another order
TIE = 1e-6

ranges = st.builds(
    lambda start, count: range(start, min(start + count, len(CONTENTS))),
    st.integers(0, len(CONTENTS) - 1),
    st.sampled_from([1, 1, 10, 70, 130, 300]),
)


class Entry:
    """What the model knows of a referenced checksum."""

    def __init__(self) -> None:
        self.references = 0
        self.tempref: TempRef | None = None
        self.held = False


class CacheMachine(RuleBasedStateMachine):
    """Applies each rule to a cache and to the model, and compares."""

    @initialize()
    def begin(self) -> None:
        self.clock = Clock()
        self.cache: BufferCache[Buffer] = BufferCache(PLENTY, PLENTY, clock=self.clock)
        self.entries: dict[int, Entry] = {}
        self.scratch: dict[int, bool] = {}
        self.kept: dict[int, Buffer] = {}

    # -- rules ------------------------------------------------------------------------

    @rule(numbers=ranges, scratch=st.booleans(), times=st.sampled_from([1, 3]))
    def incref(self, numbers: range, scratch: bool, times: int) -> None:
        for number in [*numbers] * times:
            self.cache.incref(NAMES[number], buffer=Buffer(CONTENTS[number]), scratch=scratch)
            self.referenced(number, scratch, comes=True).references += 1

    @rule(numbers=ranges)
    def incref_before_it_comes(self, numbers: range) -> None:
        for number in numbers:
            self.cache.incref(NAMES[number], scratch=True)
            self.referenced(number, scratch=True, comes=False).references += 1

    @rule(numbers=ranges, times=st.sampled_from([1, 2]))
    def decref(self, numbers: range, times: int) -> None:
        for number in [*numbers] * times:
            self.cache.decref(NAMES[number])
            entry = self.entries.get(number)
            if entry is not None and entry.references:
                entry.references -= 1
                if entry.references == 0 and entry.tempref is None:
                    del self.entries[number]

    @rule(
        numbers=ranges,
        interest=st.sampled_from([0.0, 0.5, 1.0, 8.0, 128.0]),
        fade_interval=st.sampled_from([2.0, 50.0]),
        scratch=st.booleans(),
        comes=st.booleans(),
    )
    def tempref(
        self, numbers: range, interest: float, fade_interval: float, scratch: bool, comes: bool
    ) -> None:
        for number in numbers:
            made = Buffer(CONTENTS[number]) if comes else None
            terms = {"interest": interest, "fade_interval": fade_interval}
            self.cache.tempref(NAMES[number], buffer=made, scratch=scratch, **terms)
            entry = self.referenced(number, scratch, comes=comes)
            asked = TempRef(interest, 2.0, fade_interval, self.clock.now, self.clock.now)
            if entry.tempref is None:
                entry.tempref = asked
            else:
                entry.tempref.renew(asked)

    @rule(numbers=ranges, keep=st.booleans())
    def register(self, numbers: range, keep: bool) -> None:
        for number in numbers:
            made = Buffer(CONTENTS[number])
            self.cache.register(NAMES[number], made)
            if number in self.entries:
                self.entries[number].held = True
            if keep:
                self.kept[number] = made

    @rule()
    def let_go(self) -> None:
        self.kept.clear()

    @rule(numbers=ranges, times=st.sampled_from([1, 5]))
    def get(self, numbers: range, times: int) -> None:
        for number in [*numbers] * times:
            found = self.cache.get(NAMES[number])
            is_here = number in self.kept or self.is_held(number)
            assert (None if found is None else found.content) == (
                CONTENTS[number] if is_here else None
            )

    @rule(numbers=ranges, seconds=st.sampled_from([0.0, 0.001, 1.0, 1e6]))
    def learn(self, numbers: range, seconds: float) -> None:
        for number in numbers:
            with self.cache.update_costs(NAMES[number]) as costs:
                costs.set_compute_seconds(NAMES[number], seconds)

    @rule(numbers=ranges)
    def note_stored(self, numbers: range) -> None:
        for number in numbers:
            self.cache.note_stored(NAMES[number])

    @rule(seconds=st.sampled_from([0.5, 14.0, 1000.0]))
    def wait(self, seconds: float) -> None:
        self.clock.now += seconds

    @rule(number=st.one_of(st.none(), st.integers(0, len(CONTENTS) - 1)))
    def purge_scratch(self, number: int | None) -> None:
        candidates = list(self.entries) if number is None else [number]
        purged = [
            each
            for each in candidates
            if (entry := self.entries.get(each)) is not None
            and self.scratch[each]
            and not entry.references
        ]
        assert self.cache.purge_scratch(None if number is None else NAMES[number]) == len(purged)
        for each in purged:
            del self.entries[each]
            if self.kept.pop(each, None) is not None:  # the cache has dropped it
                assert self.cache.get(NAMES[each]) is None

    @rule()
    def run_eviction_pass(self) -> None:
        assert self.cache.run_eviction_once() == (0, 0)
        for number, entry in list(self.entries.items()):
            faded = entry.tempref is not None and entry.tempref.fades_until <= self.clock.now
            if not entry.held and not entry.references and faded:
                del self.entries[number]

    @rule(part=st.floats(0.0, 1.0))
    def keep_the_soft_cap(self, part: float) -> None:
        loose, _ = self.scores()
        target = int(part * self.size())
        self.cache.set_caps(soft=target)
        survivors = self.survivors()
        left = {number: score for number, score in loose.items() if number not in survivors}
        assert self.held() - set(left) == survivors
        self.assert_cheapest_left(left, loose, survivors, target)
        self.follow(left)

    @rule(part=st.floats(0.0, 1.0))
    def keep_the_hard_cap(self, part: float) -> None:
        loose, counted = self.scores()
        target = int(part * self.size())
        self.cache.set_caps(soft=target, hard=target)
        survivors = self.survivors()
        left = {number: score for number, score in counted.items() if number not in survivors}
        if left:
            assert not survivors & set(loose)
            self.assert_cheapest_left(left, counted, survivors, target)
        assert sum(len(CONTENTS[number]) for number in survivors) <= target
        self.follow(self.held() - survivors)

    # -- the model --------------------------------------------------------------------

    def referenced(self, number: int, scratch: bool, *, comes: bool) -> Entry:
        entry = self.entries.setdefault(number, Entry())
        entry.held |= comes or number in self.kept
        self.scratch[number] = scratch
        return entry

    def is_held(self, number: int) -> bool:
        return number in self.entries and self.entries[number].held

    def held(self) -> set[int]:
        return {number for number, entry in self.entries.items() if entry.held}

    def size(self) -> int:
        return sum(len(CONTENTS[number]) for number in self.held())

    def scores(self) -> tuple[dict[int, float], dict[int, float]]:
        """Return the scores of what only a tempref holds, and of what references hold."""
        loose: dict[int, float] = {}
        counted: dict[int, float] = {}
        for number in self.held():
            explained = self.cache.explain(NAMES[number])
            assert explained is not None
            assert math.isfinite(explained.log_score)
            which = counted if self.entries[number].references else loose
            which[number] = explained.log_score
        return loose, counted

    def survivors(self) -> set[int]:
        """Return what is still held, and set the caps back."""
        names = {name: entry for name, entry in self.cache.strong_cache.items() if entry.buffer}
        self.cache.set_caps(PLENTY, PLENTY)
        return {number for number in self.held() if NAMES[number] in names}

    def assert_cheapest_left(
        self, left: dict[int, float], all_of_them: dict[int, float], stay: set[int], target: int
    ) -> None:
        """Check that those with the lowest scores left, and no more than had to."""
        size = sum(len(CONTENTS[number]) for number in stay)
        stayed = [all_of_them[number] for number in stay if number in all_of_them]
        assert size <= target or not stayed
        if left:
            highest = max(left.values())
            assert highest <= min(stayed, default=math.inf) + TIE
            last = [number for number, score in left.items() if score > highest - TIE]
            assert size + max(len(CONTENTS[number]) for number in last) > target

    def follow(self, left: Iterable[int]) -> None:
        for number in left:
            entry = self.entries[number]
            entry.held = False
            if not entry.references:
                del self.entries[number]

    # -- comparing --------------------------------------------------------------------

    @invariant()
    def entries_agree(self) -> None:
        if not hasattr(self, "cache"):
            return
        found = {
            name: (entry.normal_refs, entry.tempref is not None, entry.buffer is not None)
            for name, entry in self.cache.strong_cache.items()
        }
        expected = {
            NAMES[number]: (entry.references, entry.tempref is not None, entry.held)
            for number, entry in self.entries.items()
        }
        assert found == expected
        assert self.cache.stats()["strong_bytes"] == self.size()
        assert set(self.cache.weak_cache) == {NAMES[n] for n in {*self.kept, *self.held()}}
        for number, scratch in self.scratch.items():
            assert self.cache.is_scratch_ref(NAMES[number]) == scratch

    def teardown(self) -> None:
        if hasattr(self, "cache"):
            assert_tables_add_up(self.cache)


@pytest.fixture(autouse=True)
def _exact_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """So many moves in a step that the order of those that have faded is never approximate."""
    monkeypatch.setattr(eviction_queue, "MAX_MOVES", len(CONTENTS))
    gc.collect()


TestCacheModel = CacheMachine.TestCase
TestCacheModel.settings = settings(
    max_examples=30,
    stateful_step_count=25,
    deadline=None,
    phases=(Phase.reuse, Phase.generate),  # shrinking a failure takes minutes
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


def test_checksums_of_the_model_differ() -> None:
    assert len(set(NAMES)) == len(CONTENTS)
    assert all(isinstance(name, Checksum) for name in NAMES)
