"""Long lists and dicts → indented JSON, a part at a time, with a final newline.

A writer that is given 200,000 records at once needs twice the memory of its result and more,
and holds every other thread up until it is done; given two thousand at a time it does neither.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PART = 2000  # entries; a millisecond's work where each has a few entries of its own
#: what can have so many; subclasses are left to the writer
MAY_BE_LONG = (dict, list)


def is_long(value: Any) -> bool:
    """Whether a value has more entries than are written at once."""
    return type(value) in MAY_BE_LONG and len(value) > PART


def dumps_chunked(value: list[Any] | dict[Any, Any], dumps: Callable[[Any], bytes]) -> bytes:
    r"""Write a list or dict as `dumps` does, and a final newline.

    Parameters
    ----------
    value
        Not empty. If another thread adds or removes entries between the parts, it is written by
        one call after all.
    dumps
        Writes JSON with sorted keys, each entry of a list or dict on lines of its own:
        `[\n`, the entries, `\n]`.
    """
    text = io.BytesIO()
    opening, closing = (b"[", b"\n]\n") if isinstance(value, list) else (b"{", b"\n}\n")
    separator = opening
    length = len(value)
    try:
        for part in _parts(value):
            text.write(separator)
            text.write(memoryview(dumps(part))[1:-2])
            separator = b","
    except KeyError:
        return dumps(value) + b"\n"
    if len(value) != length:
        return dumps(value) + b"\n"
    text.write(closing)
    return text.getvalue()


def _parts(value: list[Any] | dict[Any, Any]) -> Iterator[list[Any] | dict[Any, Any]]:
    entries = value if isinstance(value, list) else sorted(value)
    start = 0
    while part := entries[start : start + PART]:
        yield part if isinstance(value, list) else {key: value[key] for key in part}
        start += PART
