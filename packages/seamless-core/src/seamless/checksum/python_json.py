"""Reads JSON as Python's `json` does (NaN, integers of any size), at any depth of nesting.

`json.loads` recurses, so the depth that it can read depends on the caller's stack. Deeper texts
are read without recursion, so that the result does not depend on the caller.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from seamless.checksum.json_ import load_with_gc_paused
from seamless.util.deep_call import NestingError, call_in_thread

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

#: white space, then a bracket, a separator, a string, or a number or literal
_PART = re.compile(r'[ \t\n\r]*([][{},:]|"(?:[^"\\]|\\.)*"|[^][{},:" \t\n\r]+)', re.DOTALL)
_EMPTY: dict[str, Callable[[], Any]] = {"{": dict, "[": list}
_CLOSING: dict[type, str] = {dict: "}", list: "]"}


def read_json(text: str) -> Any:
    """Read a JSON text.

    Raises
    ------
    ValueError
        When the text is not JSON.
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
    """Return the value of `json.loads`, with a list of open containers in place of recursion."""
    document: list[Any] = []  # a container whose only entry is the value
    containers: list[Any] = [document]
    parts = _parts(text)
    expected = "value"
    for part in parts:
        container = containers[-1]
        if expected == "separator" and container is document:
            raise ValueError("not JSON: text follows the value")
        if expected != "value" and part == _CLOSING[type(container)]:
            containers.pop()
            expected = "separator"
        elif expected == "separator":
            if part != ",":
                raise ValueError(f"not JSON: {part!r} between two entries")
            expected = "value"
        else:
            value = _read_entry(container, part, parts)
            expected = "separator"
            if isinstance(value, (dict, list)):
                containers.append(value)
                expected = "value or end"
    if expected != "separator" or len(containers) > 1:
        raise ValueError("not JSON: the text ends inside a value")
    return document[0]


def _parts(text: str) -> Iterator[str]:
    position = 0
    while found := _PART.match(text, position):
        position = found.end()
        yield found[1]
    if text[position:].strip(" \t\n\r"):
        raise ValueError("not JSON: a string without an end")


def _read_entry(container: Any, part: str, parts: Iterator[str]) -> Any:
    """Read the entry that begins with a part, add it to a container and return its value."""
    key = None
    if isinstance(container, dict):
        key = json.loads(part)
        if not isinstance(key, str) or next(parts, "") != ":":
            raise ValueError(f"not JSON: {part!r} where a key and a colon are expected")
        part = next(parts, "")
    value = _EMPTY[part]() if part in _EMPTY else json.loads(part)
    if key is None:
        container.append(value)
    else:
        container[key] = value
    return value
