"""Canonical JSON: chunked writing of long values, and reading with the garbage collector paused."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from seamless import Buffer
from seamless.checksum.json_ import (
    _COLLECTS_INSIDE_C,
    _LARGE_TEXT,
    dumps_chunked,
    json_dumps_bytes,
    load_with_gc_paused,
)


@pytest.mark.parametrize("length", [1999, 2000, 2001, 4000, 4001])
def test_long_containers_are_written_as_by_one_call(length: int) -> None:
    rows = [{"row": i, "parts": [i, "é"]} for i in range(length)]
    for value in (rows, {str(i): row for i, row in enumerate(rows)}, tuple(rows)):
        assert Buffer(value, "plain").content == json_dumps_bytes(value) + b"\n"


def test_the_keys_of_a_long_dict_are_sorted_by_their_characters() -> None:
    keys = [chr(code) for code in range(0xD7FF, 0xD000, -1)]
    value = dict.fromkeys([*keys, "\U00010000", "\uffff", "", "b", "B"], 0)
    assert list(Buffer(value, "plain").get_value("plain")) == sorted(value)


def test_a_long_dict_with_keys_that_are_not_strings_is_refused() -> None:
    for keys in (range(3000), [*range(3000), "a"]):
        with pytest.raises(TypeError):
            Buffer(dict.fromkeys(keys), "plain")


class Rows(list[Any]):
    """A subclass of list."""


def test_a_long_list_of_a_subclass_is_written_as_a_list() -> None:
    assert Buffer(Rows(range(3000)), "plain") == Buffer(list(range(3000)), "plain")


@pytest.mark.parametrize(
    ("value", "change"),
    [
        (list(range(5000)), lambda value: value.pop(0)),
        (list(range(5000)), lambda value: value.append(0)),
        ({str(i): i for i in range(5000)}, lambda value: value.pop("999")),
        ({str(i): i for i in range(5000)}, lambda value: value.update(x=1)),
    ],
    ids=["list shrinks", "list grows", "dict shrinks", "dict grows"],
)
def test_a_long_value_that_changes_between_chunks_is_written_as_it_is_then(
    value: Any, change: Callable[[Any], object]
) -> None:
    changes = [change]

    def dumps(part: Any) -> bytes:
        written = json_dumps_bytes(part)
        if changes:
            changes.pop()(value)  # as another thread may do at this moment
        return written

    assert dumps_chunked(value, dumps) == json_dumps_bytes(value) + b"\n"


NUMBERS = [i * 0.25 for i in range(100_000)]
ROWS = [{"id": i, "name": f"record {i}", "x": i * 0.25, "tags": ["a"]} for i in range(20_000)]


@pytest.mark.parametrize("celltype", ["plain", "mixed"])
@pytest.mark.parametrize(
    "value",
    [NUMBERS, ROWS, {row["name"]: row for row in ROWS}],
    ids=["numbers", "rows", "dict"],
)
def test_writing_takes_no_more_memory_than_twice_the_result(value: Any, celltype: str) -> None:
    Buffer([], celltype)  # imports must not be measured
    tracemalloc.start()
    try:
        size = len(Buffer(value, celltype))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2.2 * size


# -- reading ---------------------------------------------------------------------------------

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


def test_the_collector_is_paused_only_for_a_large_text() -> None:
    def is_enabled(_text: str) -> bool:
        return gc.isenabled()

    assert load_with_gc_paused(is_enabled, "x" * (_LARGE_TEXT - 1))
    assert load_with_gc_paused(is_enabled, "x" * _LARGE_TEXT) is not _COLLECTS_INSIDE_C
