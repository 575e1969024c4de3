"""`checksum`: the hexadecimal text of a checksum, or dicts and lists of them, as JSON."""

from __future__ import annotations

import re
from typing import Any

from seamless.checksum.json_ import json_line, json_loads

from .codec import Codec

_DIGITS = re.compile("[0-9a-fA-F]{64}")


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
        text = content.decode()
        bare = text.rstrip("\n")
        value = bare if _DIGITS.fullmatch(bare) else json_loads(content)
    except ValueError:
        value = None
    if not _holds_checksums(value):
        raise TypeError(
            "the buffer holds no checksum (64 hexadecimal digits), nor dicts and lists of them"
        )
    return value


def _holds_checksums(value: Any) -> bool:
    values = [value]
    while values:
        item = values.pop()
        if isinstance(item, dict):
            values += item.values()
        elif isinstance(item, list):
            values += item
        elif not isinstance(item, str) or _DIGITS.fullmatch(item) is None:
            return False
    return True


CHECKSUM = Codec(to_bytes, from_bytes, from_bytes)
