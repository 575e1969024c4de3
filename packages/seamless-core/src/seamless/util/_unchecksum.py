"""`Checksum` objects → their text, in nested values."""

from __future__ import annotations

from typing import Any

from seamless.checksum_class import Checksum


def unchecksum(value: Any) -> Any:
    """Return a copy of a nested value with its checksums as hexadecimal text.

    Goes into dicts, lists and tuples, of which tuples become lists; other values are passed
    on as they are.
    """
    if isinstance(value, Checksum):
        return value.hex()
    if isinstance(value, dict):
        return {key: unchecksum(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [unchecksum(item) for item in value]
    return value
