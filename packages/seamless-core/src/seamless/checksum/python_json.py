"""JSON as Python's own reader has it (NaN, integers of any size), at any depth of nesting.

`json.loads` recurses, so whether it can read a text depends on the depth of the caller's stack.
Where it can't, a reader without recursion takes over: a text is JSON or is not, whoever asks.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from seamless.checksum.json_ import load_with_gc_paused
from seamless.util.deep_call import NestingError, call_in_thread

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

#: white space, then a bracket, a separator, a text, or a number or word
_PART = re.compile(r'[ \t\n\r]*([][{},:]|"(?:[^"\\]|\\.)*"|[^][{},:" \t\n\r]+)', re.DOTALL)
_EMPTY: dict[str, Callable[[], Any]] = {"{": dict, "[": list}
_CLOSING: dict[type, str] = {dict: "}", list: "]"}


def read_json(text: str) -> Any:
    """Read a JSON text.

    Raises
    ------
    ValueError
        When the text is no JSON.
    """
    try:
        return load_with_gc_paused(json.loads, text)
    except RecursionError:
        pass
    try:
        return call_in_thread(load_with_gc_paused, json.loads, text)
    except NestingError:
        return _read_without_recursion(text)


def _read_without_recursion(text: str) -> Any:
    """Do what `json.loads` does, with a list of the containers that are open."""
    document: list[Any] = []  # stands around the value, as a container with one entry
    containers: list[Any] = [document]
    parts = _parts(text)
    expected = "value"
    for part in parts:
        container = containers[-1]
        if expected == "separator" and container is document:
            raise ValueError("no JSON: text follows the value")
        if expected != "value" and part == _CLOSING[type(container)]:
            containers.pop()
            expected = "separator"
        elif expected == "separator":
            if part != ",":
                raise ValueError(f"no JSON: {part!r} between two entries")
            expected = "value"
        else:
            value = _read_entry(container, part, parts)
            expected = "separator"
            if isinstance(value, (dict, list)):
                containers.append(value)
                expected = "value or end"
    if expected != "separator" or len(containers) > 1:
        raise ValueError("no JSON: the text ends inside a value")
    return document[0]


def _parts(text: str) -> Iterator[str]:
    position = 0
    while found := _PART.match(text, position):
        position = found.end()
        yield found[1]
    if text[position:].strip(" \t\n\r"):
        raise ValueError("no JSON: a text without an end")


def _read_entry(container: Any, part: str, parts: Iterator[str]) -> Any:
    """Add the entry that begins with a part to a container; return its value."""
    key = None
    if isinstance(container, dict):
        key = json.loads(part)
        if not isinstance(key, str) or next(parts, "") != ":":
            raise ValueError(f"no JSON: {part!r} where a key and a colon are expected")
        part = next(parts, "")
    value = _EMPTY[part]() if part in _EMPTY else json.loads(part)
    if key is None:
        container.append(value)
    else:
        container[key] = value
    return value
