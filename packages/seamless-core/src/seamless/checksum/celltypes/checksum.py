"""`checksum`: the hexadecimal text of a checksum, or dicts and lists of them, as JSON."""

from __future__ import annotations

import re
from typing import Any

from seamless.checksum.celltypes.codec import Codec
from seamless.checksum.json_ import json_line, json_loads
from seamless.checksum.refusals import value_path
from seamless.checksum.utf8_text import decode_text

_DIGITS = re.compile("[0-9a-fA-F]{64}")
_NO_CHECKSUM = "the buffer holds no checksum (64 hexadecimal digits), nor dicts and lists of them"


def to_bytes(value: Any) -> bytes:
    """Write hexadecimal text, or nested dicts and lists of it."""
    return json_line(value)


def from_bytes(content: bytes) -> Any:
    """Read checksums as their text, in the nesting in which they were written.

    A lone checksum may stand as 64 bare digits or as JSON.

    Raises
    ------
    TypeError
        When the content is anything else.
    """
    try:
        bare = decode_text(content).rstrip("\n")
        value = bare if _DIGITS.fullmatch(bare) else json_loads(content)
    except ValueError as error:
        raise TypeError(f"{_NO_CHECKSUM}: {error}") from None
    path = _path_of_other(value)
    if path is not None:
        raise TypeError(f"{_NO_CHECKSUM}: {value_path(path)} is none")
    return value


def _path_of_other(value: Any) -> list[Any] | None:
    """Return the way to something that is no checksum; None if there is nothing."""
    ways: list[tuple[Any, Any]] = [((), value)]  # each way is a step and the way before it
    while ways:
        way, item = ways.pop()
        if isinstance(item, dict):
            ways += [((key, way), entry) for key, entry in item.items()]
        elif isinstance(item, list):
            ways += [((index, way), entry) for index, entry in enumerate(item)]
        elif not isinstance(item, str) or _DIGITS.fullmatch(item) is None:
            steps = []
            while way:
                step, way = way
                steps.append(step)
            return steps[::-1]
    return None


CHECKSUM = Codec(to_bytes, from_bytes, from_bytes, to_bytes)
