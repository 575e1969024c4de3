"""What JSON can hold inside a mixed value: checksums as text, NumPy numbers as numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from seamless.checksum_class import Checksum

if TYPE_CHECKING:
    from collections.abc import Callable

#: NumPy kind of a scalar -> the Python number that JSON writes for it
_NUMBERS: dict[str, Callable[[Any], int | float]] = {"i": int, "u": int, "f": float}


def plain_scalar(value: Any) -> Any:
    """Turn a checksum into its text and a NumPy number into Python's; pass on all else."""
    if isinstance(value, Checksum):
        return value.hex()
    if isinstance(value, np.generic) and value.dtype.kind in _NUMBERS:
        return _NUMBERS[value.dtype.kind](value)
    return value
