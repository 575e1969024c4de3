"""What keeping a buffer is worth per byte: the one score that decides who leaves first. Pure."""

from __future__ import annotations

import math
import sys
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from seamless.caching.references import TempRef

__all__ = ["HALF_LIFE", "PriorityLine", "ScoreInputs", "decayed_uses", "log_score", "priority_line"]

#: Turnovers of the cache in which a past use comes to count half. Measured by simulation: with
#: less, buffers that are wanted once displace those that are wanted often; with more, the
#: cache is slow to follow when others come into use. 4 and 8 change what is paid by a tenth.
HALF_LIFE = 6.0
AGING = math.log(2) / HALF_LIFE
#: The root of the interest, as the exponent that it is.
INTEREST_POWER = 0.5
#: Score of a buffer that costs nothing or that nobody wants: below any other.
WORTHLESS = -1e9
#: Loss in a second above which an interest counts as faded at once: a line that falls faster
#: would be too steep for the precision of a float, and is level again within a second.
STEEPEST = 1e3


class ScoreInputs(NamedTuple):
    """What the score of one buffer is made of.

    `seconds` is what it takes to have the buffer again, `size` is in bytes, `uses` counts how
    often it was found, `interest` is that of the tempref as it is now (1 for a counted
    reference), and `age` the number of turnovers since the last use.
    """

    seconds: float
    size: int
    uses: float = 1.0
    interest: float = 1.0
    age: float = 0.0


def log_score(terms: ScoreInputs) -> float:
    """Return the natural logarithm of the score; the buffer with the lowest leaves first.

    The score is

        uses * sqrt(interest) * seconds / bytes * 2 ** (-age / HALF_LIFE)

    A greedy-dual score by size and frequency, whose aging is not in seconds but in turnovers
    of the cache (bytes evicted / soft cap): nothing ages while nothing has to leave. The
    interest counts by its root, since a tempref says when a buffer is wanted and not how
    dear it is; counted in full, the simulation pays up to a half more.
    """
    if terms.interest <= 0 or terms.seconds <= 0:
        return WORTHLESS
    try:
        height = (
            math.log(terms.seconds / max(1, terms.size))
            + math.log(terms.uses)
            + INTEREST_POWER * math.log(terms.interest)
            - AGING * terms.age
        )
    except ValueError:  # too small a quotient, or no use yet
        height = math.inf
    return height if math.isfinite(height) else _log_score_of_extremes(terms)


def _log_score_of_extremes(terms: ScoreInputs) -> float:
    """Do what `log_score` does, where the seconds for a byte are too small for a float.

    Sums of costs may be too large; before its first use, a buffer counts as used once.
    """
    return (
        math.log(min(terms.seconds, sys.float_info.max))
        - math.log(max(1, terms.size))
        + math.log(max(1.0, terms.uses))
        + INTEREST_POWER * math.log(terms.interest)
        - AGING * terms.age
    )


def decayed_uses(uses: float, age: float) -> float:
    """Return what `uses` still count for after `age` turnovers."""
    return uses * math.exp(-AGING * age)


class PriorityLine(NamedTuple):
    """A logarithm of a score as a line in time, which falls until `until` and is level then.

    Lines of buffers can be compared at any moment without looking at the buffers again.
    """

    at_zero: float
    loss_per_second: float = 0.0
    until: float = math.inf

    def at(self, now: float) -> float:
        """Return its height at `now`."""
        if self.loss_per_second == 0:
            return self.at_zero
        return self.at_zero - self.loss_per_second * min(now, self.until)


def priority_line(
    terms: ScoreInputs, tempref: TempRef | None, now: float, turnover: float
) -> PriorityLine:
    """Return `log_score` as a line, on a scale that makes lines of any time comparable.

    All scores age alike, so instead of all that are there sinking with each turnover, those
    that come are lifted.

    Parameters
    ----------
    terms
        The terms at this moment.
    tempref
        What makes the interest fade, if anything does.
    now, turnover
        This moment, in seconds and in turnovers.
    """
    if tempref is None or now >= tempref.fades_until:
        return PriorityLine(log_score(terms) + AGING * turnover)
    rate = INTEREST_POWER * tempref.fade_rate
    if rate > STEEPEST:
        return PriorityLine(log_score(terms._replace(interest=1.0)) + AGING * turnover)
    height = log_score(terms) + AGING * turnover
    return PriorityLine(height + rate * max(now, tempref.last_refreshed), rate, tempref.fades_until)
