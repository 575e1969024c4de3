"""Reading JSON leaves the garbage collector as it was."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from seamless import Buffer
from seamless.checksum.gc_pause import (
    _LARGE,
    _SEARCHES_MEANWHILE,
    read_without_collection,
)

RECORDS = [{"id": number, "tags": ["a"]} for number in range(5_000)]


@pytest.fixture(autouse=True)
def _collector_as_found() -> Iterator[None]:
    enabled = gc.isenabled()
    yield
    (gc.enable if enabled else gc.disable)()


@pytest.mark.parametrize("celltype", ["plain", "mixed"])
def test_a_large_text_is_read_as_it_was_written(celltype: str) -> None:
    assert Buffer(RECORDS, celltype).get_value(celltype) == RECORDS
    assert gc.isenabled()


def test_a_large_damaged_text_leaves_the_collector_on() -> None:
    content = Buffer(RECORDS, "plain").content[:-2]
    with pytest.raises(ValueError, match="unexpected end of data"):
        Buffer(content).get_value("plain")
    assert gc.isenabled()


@pytest.mark.parametrize("celltype", ["plain", "mixed"])
def test_a_collector_that_is_off_stays_off(celltype: str) -> None:
    gc.disable()
    assert Buffer(RECORDS, celltype).get_value(celltype) == RECORDS
    assert not gc.isenabled()


def test_only_a_large_text_is_read_while_the_collector_is_off() -> None:
    def is_on(_text: str) -> bool:
        return gc.isenabled()

    assert read_without_collection(is_on, "x" * (_LARGE - 1))
    assert read_without_collection(is_on, "x" * _LARGE) is not _SEARCHES_MEANWHILE
