"""Scratch references, and the marks that they leave."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from small_cache import ABSENT, buffer, register, tempref

from seamless import Buffer, CacheMissError
from seamless.caching.buffer_cache import get_buffer_cache

if TYPE_CHECKING:
    from seamless.caching.buffer_cache import BufferCache


def test_the_last_reference_determines_the_scratch_mark(cache: BufferCache[Buffer]) -> None:
    assert not cache.is_scratch_ref(ABSENT)
    cache.tempref(ABSENT, scratch=True)
    assert cache.is_scratch_ref(ABSENT)
    cache.incref(ABSENT)
    assert not cache.is_scratch_ref(ABSENT)


def test_purging_removes_even_a_living_buffer(cache: BufferCache[Buffer]) -> None:
    made = buffer(10)
    checksum = register(cache, made)
    cache.tempref(checksum, scratch=True)
    assert cache.purge_scratch(checksum) == 1
    assert cache.get(checksum) is None
    assert len(made) == 10


def test_purging_keeps_buffers_with_other_references(cache: BufferCache[Buffer]) -> None:
    counted, normal = buffer(10, "a"), buffer(10, "b")
    cache.incref(register(cache, counted), scratch=True)
    tempref(cache, normal)
    assert cache.purge_scratch() == 0
    assert cache.get(counted.get_checksum()) is counted
    assert cache.get(normal.get_checksum()) is normal


def test_purging_without_a_checksum_removes_all_scratch(cache: BufferCache[Buffer]) -> None:
    for fill in "abc":
        tempref(cache, buffer(5, fill), scratch=True)
    assert cache.purge_scratch() == 3
    assert cache.stats()["strong_bytes"] == 0


def test_a_result_stays_scratch_after_its_buffer_is_gone(cache: BufferCache[Buffer]) -> None:
    cache.tempref(ABSENT, scratch=True)
    cache.purge_scratch(ABSENT)
    assert cache.is_scratch_ref(ABSENT)


def test_a_purged_checksum_can_not_be_resolved() -> None:
    made = Buffer(b"purged and still alive")
    made.tempref(scratch=True)
    get_buffer_cache().purge_scratch(made.get_checksum())
    with pytest.raises(CacheMissError):
        made.get_checksum().resolve()
