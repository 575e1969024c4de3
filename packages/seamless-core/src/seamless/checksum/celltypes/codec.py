"""What a cell type is to the rest of the package: how to write it and how to read it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True)
class Codec:
    """One cell type.

    Parameters
    ----------
    to_bytes
        Value → canonical bytes; TypeError or ValueError for a value it can't hold.
    from_bytes
        Bytes → a value that belongs to the caller; ValueError for damaged bytes, TypeError
        for bytes that hold a value of another kind.
    check
        Raises what `from_bytes` would, possibly for less work.
    probe
        Raises what `to_bytes` would for a part of a nested value; None where values have no
        parts.
    """

    to_bytes: Callable[[Any], bytes]
    from_bytes: Callable[[bytes], Any]
    check: Callable[[bytes], object]
    probe: Callable[[Any], object] | None = None
