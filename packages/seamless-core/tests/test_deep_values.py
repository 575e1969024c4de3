"""Nested values: reading and writing do not depend on the depth of the caller's stack."""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mixed_values import json_values

from seamless import Buffer, Checksum
from seamless.checksum.conversion import convert_bytes
from seamless.util.deep_call import NestingError, deep_call

if TYPE_CHECKING:
    from collections.abc import Callable

LIMIT = sys.getrecursionlimit()
#: frames between a test and the limit; pytest takes some of them
ROOM = [40, 60, 80, 120, 200, 400]


def with_room_for(frames: int, function: Callable[[], Any]) -> Any:
    """Call a function with about this number of frames left on the stack."""
    depth = 0
    frame = sys._getframe()
    while frame.f_back is not None:
        depth += 1
        frame = frame.f_back

    def descend(levels: int) -> Any:
        return descend(levels - 1) if levels > 0 else function()

    return descend(LIMIT - depth - frames)


def nested(value: Any, levels: int) -> Any:
    for _ in range(levels):
        value = [value]
    return value


def depth_of(value: Any) -> int:
    depth = 0
    while isinstance(value, (list, dict)):
        value = value[0] if isinstance(value, list) else value["a"]
        depth += 1
    return depth


DOCUMENTS = {
    "lists as mixed": ("mixed", b"[" * 120 + b"1" + b"]" * 120),
    "dicts as mixed": ("mixed", b'{"a":' * 120 + b"1" + b"}" * 120),
    "lists as plain": ("plain", b"[" * 120 + b"1" + b"]" * 120),
    "a container": ("mixed", Buffer(nested(np.arange(3), 60), "mixed").content),
    "checksums": ("checksum", Buffer(nested("ab" * 32, 120), "checksum").content),
    "python": ("python", b"x = " + b"(" * 80 + b")" * 80),
    "python operators": ("python", b"x = " + b"-" * 500 + b"1"),
    "json as yaml": ("yaml", b"[" * 120 + b"1" + b"]" * 120),
    "yaml": ("yaml", b"a: " + b"[" * 30 + b"]" * 30),
}


@pytest.mark.parametrize("frames", ROOM)
@pytest.mark.parametrize("name", DOCUMENTS)
def test_bytes_give_the_same_value_at_every_depth_of_the_stack(name: str, frames: int) -> None:
    celltype, content = DOCUMENTS[name]
    expected = Buffer(content).get_value(celltype)

    value = with_room_for(frames, lambda: Buffer(content).get_value(celltype))

    assert type(value) is type(expected)
    assert depth_of(value) == depth_of(expected)


@pytest.mark.parametrize("frames", ROOM)
@pytest.mark.parametrize(
    "leaf", [1, 2**70, np.arange(2), np.float64(0.5), Checksum("ab" * 32)], ids=repr
)
def test_a_value_gives_the_same_bytes_at_every_depth_of_the_stack(leaf: Any, frames: int) -> None:
    value = nested(leaf, 100)
    expected = Buffer(value, "mixed").content

    assert with_room_for(frames, lambda: Buffer(value, "mixed").content) == expected


@pytest.mark.parametrize("frames", ROOM)
@pytest.mark.parametrize(
    ("source", "target", "name"),
    [("bytes", "mixed", "a container"), ("text", "plain", "json as yaml")],
)
def test_a_conversion_gives_the_same_bytes_at_every_depth_of_the_stack(
    source: str, target: str, name: str, frames: int
) -> None:
    content = DOCUMENTS[name][1]
    expected = convert_bytes(content, source, target)

    assert with_room_for(frames, lambda: convert_bytes(content, source, target)) == expected


@pytest.mark.parametrize("levels", [300, 990, 20_000])
def test_json_of_any_depth_is_read_as_json(levels: int) -> None:
    for opening, closing in (("[", "]"), ('{"a": ', "}")):
        value = Buffer(f"{opening * levels}1{closing * levels}".encode()).get_value("mixed")

        assert depth_of(value) == levels


@pytest.mark.parametrize("text", ["[" * 5000, "[" * 5000 + "]" * 4999, "]" * 5000, "[]" * 5000])
def test_brackets_that_are_not_json_are_read_as_bytes(text: str) -> None:
    assert Buffer(text.encode()).get_value("mixed").tobytes() == text.encode()


#: levels that only the reader without recursion reads; the C stack is larger from 3.12 on
DEEP = 1500 if sys.version_info < (3, 12) else 15_000
few = settings(max_examples=60, deadline=None)
PIECES = st.sampled_from([
    "{", "}", "[", "]", ",", ":", '"', '"a"', '"\\""', "1", "-1.5e3", "null", "NaN", "-Infinity",
    " ", "\n", "\t", "\\", "é", "tru", "true", '"\x01"', "\x0b", '{"a":1}', '"a":', "[1,2]", "0x1",
    "01", "1" * 5000, "\ufeff",
])  # fmt: skip


def read_deep(text: str) -> Any:
    """Read a text inside this number of lists; return None if it is not JSON there."""
    value = Buffer(("[" * DEEP + text + "]" * DEEP).encode()).get_value("mixed")
    if not isinstance(value, list):
        return None
    for _ in range(DEEP - 1):
        (value,) = value
    return value


def read_by_python(text: str) -> Any:
    try:
        return json.loads(f"[{text}]")
    except ValueError:
        return None


@few
@given(json_values, st.sampled_from([None, 1]))
def test_deep_json_has_the_value_that_python_gives_it(value: Any, indent: int | None) -> None:
    text = json.dumps(value, indent=indent)

    assert json.dumps(read_deep(text)) == json.dumps([value])


@few
@given(st.lists(PIECES, max_size=8).map("".join))
def test_a_deep_text_is_json_where_python_says_so(text: str) -> None:
    assert repr(read_deep(text)) == repr(read_by_python(text))


def test_a_value_that_contains_itself_is_refused_at_every_depth_of_the_stack() -> None:
    value: list[Any] = [np.arange(2)]
    value.append(value)
    for frames in (ROOM[0], ROOM[-1]):
        with pytest.raises(ValueError, match="nested too deeply, or in itself"):
            with_room_for(frames, lambda: Buffer(value, "mixed"))


# -- calls that recurse -----------------------------------------------------------------------


def levels_down(levels: int) -> str:
    return levels_down(levels - 1) if levels else "the ground"


def test_a_call_has_the_whole_stack_of_a_thread() -> None:
    assert with_room_for(ROOM[0], lambda: deep_call(levels_down, LIMIT - 50)) == "the ground"


def test_a_call_that_needs_more_is_a_nesting_error() -> None:
    with pytest.raises(NestingError, match="nested too deeply"):
        deep_call(levels_down, LIMIT + 50)


def test_an_error_of_the_call_is_raised_unchanged() -> None:
    def fail() -> None:
        raise KeyError("mine")

    for frames in (ROOM[0], ROOM[-1]):
        with pytest.raises(KeyError, match="mine"):
            with_room_for(frames, lambda: deep_call(fail))


def test_the_caller_waits_for_a_call_in_a_thread() -> None:
    def slow(levels: int) -> str:
        if levels:
            return slow(levels - 1)
        time.sleep(0.1)
        return "the ground"

    assert with_room_for(ROOM[0], lambda: deep_call(slow, 200)) == "the ground"


def test_a_call_that_fails_with_stack_left_is_not_repeated() -> None:
    calls: list[None] = []

    def fail() -> None:
        calls.append(None)
        raise KeyError

    with pytest.raises(KeyError):
        deep_call(fail)
    assert len(calls) == 1


def test_an_error_in_place_of_a_recursion_error_repeats_the_call() -> None:
    def translate() -> str:
        try:
            return levels_down(200)
        except RecursionError:
            raise TypeError("a library in C does so") from None

    assert with_room_for(60, lambda: deep_call(translate)) == "the ground"
