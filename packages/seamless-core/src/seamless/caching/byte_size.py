"""Amounts of memory as people write them: `512MB`, `8GiB`, `1_000_000`. Pure."""

from __future__ import annotations

import operator

__all__ = ["parse_byte_size"]

#: Characters of a text at most.
LONGEST = 100
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_UNITS = {"": 1, "b": 1}
for _power, _letter in enumerate("kmgt", start=1):
    _UNITS[_letter] = _UNITS[f"{_letter}b"] = 1000**_power
    _UNITS[f"{_letter}i"] = _UNITS[f"{_letter}ib"] = 1024**_power


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
    TypeError
        When it is neither an integer nor a text.
    """
    if not isinstance(size, str):
        size = operator.index(size)
        if size < 0:
            raise ValueError(f"a size in bytes can't be negative: {size}")
        return size
    text = size.strip().lower().replace("_", "")
    digits = text.rstrip(_LETTERS).rstrip()
    unit = _UNITS.get(text[len(digits) :].strip())
    whole, _, fraction = digits.partition(".")
    number = whole + fraction
    if unit is None or not (number.isascii() and number.isdecimal()) or len(text) > LONGEST:
        raise ValueError(f"{size!r} is no size in bytes; write it as 5000000, 512MB or 8GiB")
    divisor: int = 10 ** len(fraction)
    return int(number) * unit // divisor
