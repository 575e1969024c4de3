"""The `Codec` of a cell type: functions that write, read and validate its buffers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, kw_only=True)
class Codec:
    """The functions of one cell type.

    Parameters
    ----------
    to_bytes
        Converts a value to canonical bytes; raises TypeError or ValueError for a value that the
        cell type can't hold.
    from_bytes
        Converts bytes to a value, which the caller may change; raises ValueError for damaged
        bytes, TypeError for bytes that hold a value of another type.
    check
        Raises the errors of `from_bytes`, possibly with less work.
    probe
        Raises the errors of `to_bytes` for a part of a nested value; None if values have no
        parts.
    """

    to_bytes: Callable[[Any], bytes]
    from_bytes: Callable[[bytes], Any]
    check: Callable[[bytes], object]
    probe: Callable[[Any], object] | None = None
