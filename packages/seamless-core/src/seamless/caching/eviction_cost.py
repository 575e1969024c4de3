"""What it costs to lose a buffer, and so how much keeping it is worth per byte. Pure.

The worth of keeping a buffer is

    interest * seconds to have it again / bytes

taken as its logarithm, because a faded interest is soon too small for a float. The logarithm
of a fading interest is a straight line in time, so a worth is stated once, as its height at
time zero and its fall per second, and stays true however long nobody looks at it.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from .references import StrongEntry

__all__ = ["Worth", "seconds_to_regain", "worth_of"]

#: A request to a storage server in the same building, and what it delivers in a second.
DOWNLOAD_LATENCY = 0.01
DOWNLOAD_BANDWIDTH = 100e6
#: What a buffer that is stored nowhere is taken to have cost: a minute of somebody's computing.
RECOMPUTE_SECONDS = 60.0
#: What reading or writing it again costs beside that, per byte.
RECOMPUTE_BANDWIDTH = 1e9


def seconds_to_regain(size: int, *, stored: bool) -> float:
    """Return how long it takes to have a buffer again, once it has been dropped.

    Parameters
    ----------
    size
        In bytes.
    stored
        Whether a write backend has it; else it has to be computed again.
    """
    if stored:
        return DOWNLOAD_LATENCY + size / DOWNLOAD_BANDWIDTH
    return RECOMPUTE_SECONDS + size / RECOMPUTE_BANDWIDTH


class Worth(NamedTuple):
    """Logarithm of what keeping a buffer is worth per byte, as a line in time."""

    at_zero: float
    loss_per_second: float = 0.0

    def at(self, now: float) -> float:
        """Return the logarithm of the worth at `now`."""
        return self.at_zero - self.loss_per_second * now


def worth_of(entry: StrongEntry) -> Worth:
    """Return what keeping `entry` is worth; a counted reference is an interest of one for good."""
    regain = seconds_to_regain(entry.size, stored=entry.stored)
    per_byte = math.log(regain / max(1, entry.size))
    tempref = entry.tempref
    if entry.normal_refs or tempref is None:
        return Worth(per_byte)
    if tempref.interest == 0:
        return Worth(-math.inf)
    rate = tempref.fade_rate
    return Worth(per_byte + math.log(tempref.interest) + rate * tempref.last_refreshed, rate)
