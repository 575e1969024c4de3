"""`unchecksum`: replaces checksums by their hexadecimal text, at any depth of a nested value."""

from __future__ import annotations

from seamless.util.hex_digest import HexDigest

TYPE_CHECKING = False  # known to type checkers; importing typing would slow the commands
if TYPE_CHECKING:
    from typing import Any

__all__ = ["unchecksum"]


def unchecksum(value: Any) -> Any:
    """Return a copy of a value in which each `Checksum` is replaced by its digits.

    Dicts, lists and tuples are searched; a tuple becomes a list. Other values are returned
    unchanged. A checksum that is a key of a dict stays a checksum, which JSON then refuses.
    """
    if isinstance(value, HexDigest):
        return value.hex()
    if isinstance(value, dict):
        return {key: unchecksum(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [unchecksum(item) for item in value]
    return value
