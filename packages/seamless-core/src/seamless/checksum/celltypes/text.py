"""`text`: UTF-8 that ends in exactly one newline; the value has none."""

from __future__ import annotations

from typing import Any

from .codec import Codec


def as_text(value: Any) -> str:
    """Return the text of any value: bytes are decoded, others shown as `str` does.

    Raises
    ------
    UnicodeDecodeError
        For bytes that are no UTF-8.
    """
    return value.decode() if isinstance(value, bytes) else str(value)


def to_bytes(value: Any) -> bytes:
    """Write text; the newlines at its end become one."""
    return (as_text(value).rstrip("\n") + "\n").encode()


def from_bytes(content: bytes) -> str:
    """Read text, without the newlines at its end."""
    return content.decode().rstrip("\n")


TEXT = Codec(to_bytes, from_bytes, from_bytes)
