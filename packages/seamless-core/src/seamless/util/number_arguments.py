"""Numbers that callers pass, checked: sizes such as `8GiB`, times such as `30d`, floats. Pure."""

from __future__ import annotations

import math
import operator

__all__ = ["finite_number", "parse_byte_size", "parse_seconds"]

#: Characters of a size, at most.
MAX_LENGTH = 100
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_UNITS = {"": 1, "b": 1}
for _power, _letter in enumerate("kmgt", start=1):
    _UNITS[_letter] = _UNITS[f"{_letter}b"] = 1000**_power
    _UNITS[f"{_letter}i"] = _UNITS[f"{_letter}ib"] = 1024**_power


def parse_byte_size(size: int | str) -> int:
    """Return a size in bytes as a number.

    Parameters
    ----------
    size
        A number of bytes, or a text of a number and a unit: `kB`, `MB`, `GB`, `TB` count in
        thousands, `KiB`, `MiB`, `GiB`, `TiB` in 1024s; case does not matter.

    Raises
    ------
    ValueError
        When the text is not a size.
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
    if unit is None or not (number.isascii() and number.isdecimal()) or len(text) > MAX_LENGTH:
        raise ValueError(f"{size!r} is not a size in bytes; write it as 5000000, 512MB or 8GiB")
    divisor: int = 10 ** len(fraction)
    return int(number) * unit // divisor


_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


def parse_seconds(text: str) -> int:
    """Return a length of time such as `90s`, `12h`, `30d` or `2w`, in seconds; `0` is no time.

    Raises
    ------
    ValueError
        When the text is not a length of time.
    """
    digits, unit = (text, "s") if text == "0" else (text[:-1], text[-1:])
    if unit not in _SECONDS or not (digits.isascii() and digits.isdecimal()) or len(digits) > 9:
        raise ValueError(f"{text!r} is not a length of time; write it as 90s, 45m, 12h, 30d or 2w")
    return int(digits) * _SECONDS[unit]


def finite_number(what: str, value: float, *, least: float) -> float:
    """Return `value` as a float.

    Parameters
    ----------
    what
        Names the number in an error.
    value
        Any real number.
    least
        The smallest number that is allowed.

    Raises
    ------
    ValueError
        When it is infinite, not a number, too large for a float, or below `least`.
    TypeError
        When it is not a real number.
    """
    try:
        finite = math.isfinite(value)
    except OverflowError:
        raise ValueError(f"{what} is an integer too large for a float; give less") from None
    except TypeError:
        raise TypeError(f"{what} must be a number, not {type(value).__name__}") from None
    if not finite or value < least:
        raise ValueError(f"{what} must be a finite number from {least:g} on, not {value}")
    return float(value)
