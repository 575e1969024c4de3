"""Codec of `checksum`: the hexadecimal text of a checksum, or dicts and lists of them, as JSON."""

from __future__ import annotations

import re
from typing import Any

from seamless.checksum.celltypes.codec import Codec
from seamless.checksum.json_ import json_line, json_loads
from seamless.checksum.refusals import value_path
from seamless.checksum.utf8_text import decode_text

_DIGITS = re.compile("[0-9a-fA-F]{64}")
_NOT_CHECKSUMS = "the buffer holds no checksum (64 hexadecimal digits), nor dicts and lists of them"


def to_bytes(value: Any) -> bytes:
    """Write hexadecimal text, or nested dicts and lists of it."""
    return json_line(value)


def from_bytes(content: bytes) -> Any:
    """Read checksums as their text, nested as they were written.

    A single checksum may be 64 bare digits or JSON.

    Raises
    ------
    TypeError
        When the content is anything else.
    """
    try:
        bare = decode_text(content).rstrip("\n")
        value = bare if _DIGITS.fullmatch(bare) else json_loads(content)
    except ValueError as error:
        raise TypeError(f"{_NOT_CHECKSUMS}: {error}") from None
    path = _path_of_invalid(value)
    if path is not None:
        raise TypeError(f"{_NOT_CHECKSUMS}: {value_path(path)} is not a checksum")
    return value


def _path_of_invalid(value: Any) -> list[Any] | None:
    """Return the keys and indices of an entry that is not a checksum, or None."""
    pending: list[tuple[Any, Any]] = [((), value)]  # a path is its last step and the path before
    while pending:
        path, item = pending.pop()
        if isinstance(item, dict):
            pending += [((key, path), entry) for key, entry in item.items()]
        elif isinstance(item, list):
            pending += [((index, path), entry) for index, entry in enumerate(item)]
        elif not isinstance(item, str) or _DIGITS.fullmatch(item) is None:
            steps = []
            while path:
                step, path = path
                steps.append(step)
            return steps[::-1]
    return None


CHECKSUM = Codec(to_bytes=to_bytes, from_bytes=from_bytes, check=from_bytes, probe=to_bytes)
