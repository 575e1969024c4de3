"""Checksum objects as hexadecimal text, at any depth of a nested value."""

from __future__ import annotations

from typing import Any

from ..checksum_class import Checksum

__all__ = ["unchecksum"]


def unchecksum(value: Any) -> Any:
    """Return a copy of `value` with each `Checksum` in it turned into its digits.

    Looks into dicts (keys and values), lists and tuples; a tuple becomes a list. Anything
    else is passed on as it is.
    """
    if isinstance(value, Checksum):
        return value.hex()
    if isinstance(value, dict):
        return {unchecksum_key(key): unchecksum(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [unchecksum(item) for item in value]
    return value


def unchecksum_key(key: Any) -> Any:
    """Return a dictionary key with a `Checksum` turned into its digits."""
    return key.hex() if isinstance(key, Checksum) else key
