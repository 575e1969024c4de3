"""Amounts of memory as people write them: `512MB`, `8GiB`, `1_000_000`. Pure."""

from __future__ import annotations

import re

__all__ = ["parse_byte_size"]

_UNITS = {"": 1, "b": 1}
for _power, _letter in enumerate("kmgt", start=1):
    _UNITS[_letter] = _UNITS[f"{_letter}b"] = 1000**_power
    _UNITS[f"{_letter}i"] = _UNITS[f"{_letter}ib"] = 1024**_power

_PATTERN = re.compile(r"\s*(\d[\d_]*(?:\.\d+)?)\s*([a-z]*)\s*", re.IGNORECASE | re.ASCII)


def parse_byte_size(size: int | str) -> int:
    """Return the number of bytes that `size` says.

    Parameters
    ----------
    size
        A number of bytes, or a text of a number and a unit: `kB`, `MB`, `GB`, `TB` count in
        thousands, `KiB`, `MiB`, `GiB`, `TiB` in 1024s; case does not matter.

    Raises
    ------
    ValueError
        When that is no amount of memory.
    """
    if isinstance(size, int):
        if size < 0:
            raise ValueError(f"a size in bytes can't be negative: {size}")
        return size
    match = _PATTERN.fullmatch(size)
    unit = _UNITS.get(match[2].lower()) if match else None
    if match is None or unit is None:
        raise ValueError(f"{size!r} is no size in bytes; write it as 5000000, 512MB or 8GiB")
    return int(float(match[1]) * unit) if "." in match[1] else int(match[1]) * unit
