"""Checking numbers that callers give, before they enter a computation. Pure."""

from __future__ import annotations

import math

__all__ = ["finite_number"]


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
        When it is no real number.
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
