"""Amounts of memory as people write them: `512MB`, `8GiB`, `1_000_000`. Pure."""

from __future__ import annotations

__all__ = ["parse_byte_size"]

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
    """
    if isinstance(size, int):
        if size < 0:
            raise ValueError(f"a size in bytes can't be negative: {size}")
        return size
    text = size.strip().lower().replace("_", "")
    digits = text.rstrip(_LETTERS).rstrip()
    unit = _UNITS.get(text[len(digits) :].strip())
    whole, _, fraction = digits.partition(".")
    if unit is None or not (whole + fraction).isdecimal() or not whole.isascii():
        raise ValueError(f"{size!r} is no size in bytes; write it as 5000000, 512MB or 8GiB")
    return int(float(digits) * unit) if fraction else int(whole) * unit
