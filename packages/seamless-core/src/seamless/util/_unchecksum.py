"""Checksum objects as hexadecimal text, at any depth of a nested value."""

from __future__ import annotations

from typing import Any

from seamless.checksum_class import Checksum

__all__ = ["unchecksum"]


def unchecksum(value: Any) -> Any:
    """Return a copy of `value` with each `Checksum` in it turned into its digits.

    Looks into dicts, lists and tuples; a tuple becomes a list. Anything else is passed on
    as it is, keys too: a checksum that is a key has no place in JSON, and stays an error.
    """
    if isinstance(value, Checksum):
        return value.hex()
    if isinstance(value, dict):
        return {key: unchecksum(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [unchecksum(item) for item in value]
    return value
