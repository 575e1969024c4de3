"""`plain`: any JSON value, in the canonical form and a final newline."""

from __future__ import annotations

from typing import Any

from seamless.checksum.json_ import json_line, json_loads
from seamless.util._unchecksum import unchecksum

from .codec import Codec


def to_bytes(value: Any) -> bytes:
    """Write a JSON value; tuples become lists and checksums their text, at any depth."""
    try:
        return json_line(value)
    except TypeError:
        # perhaps it holds checksums or named tuples, which are rare enough to look twice
        return json_line(unchecksum(value))


def from_bytes(content: bytes) -> Any:
    """Read a JSON value."""
    try:
        return json_loads(content)
    except ValueError:
        content.decode()  # which says more of what is no UTF-8
        raise


PLAIN = Codec(to_bytes, from_bytes, from_bytes, to_bytes)
