"""The eviction score of a buffer: uses, interest and reload cost per byte, with ageing. Pure.

Ages are measured in *turnovers* of the cache, which are bytes evicted / soft cap: one turnover has
passed when as many bytes have been evicted as the soft cap. So scores do not age while nothing is
evicted.
"""

from __future__ import annotations

import math
import sys
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from seamless.caching.references import TempRef

__all__ = ["HALF_LIFE", "PriorityLine", "ScoreInputs", "decayed_uses", "log_score", "priority_line"]

#: Turnovers of the cache after which a past use counts half. Chosen by simulation: with a smaller
#: value, buffers that are used once displace those that are used often; with a larger one, the
#: cache adapts slowly. 4 and 8 change the total cost by a tenth.
HALF_LIFE = 6.0
AGING = math.log(2) / HALF_LIFE
#: The exponent of the interest: its square root counts.
INTEREST_POWER = 0.5
#: Logarithmic score of a buffer without cost or interest: below any other.
MIN_SCORE = -1e9
#: Decay per second above which an interest counts as expired at once: a steeper line exceeds the
#: precision of a float, and is constant after a second anyway.
MAX_DECAY = 1e3


class ScoreInputs(NamedTuple):
    """The inputs of the score of one buffer.

    `seconds` is the estimated cost of reloading the buffer, `size` is in bytes, `uses` counts the
    hits, `interest` is the current interest of the tempref (1 for a counted reference), and `age`
    is the number of turnovers since the last use.
    """

    seconds: float
    size: int
    uses: float = 1.0
    interest: float = 1.0
    age: float = 0.0


def log_score(inputs: ScoreInputs) -> float:
    """Return the natural logarithm of the score; the lowest is evicted first.

    The score is

        uses * sqrt(interest) * seconds / bytes * 2 ** (-age / HALF_LIFE)

    This is GreedyDual-Size-Frequency, with ageing in turnovers instead of seconds. The square root
    of the interest counts, since a tempref says when a buffer is needed and not what it costs; with
    the full interest, the simulated cost is up to a half higher.
    """
    if inputs.interest <= 0 or inputs.seconds <= 0:
        return MIN_SCORE
    try:
        logarithm = (
            math.log(inputs.seconds / max(1, inputs.size))
            + math.log(inputs.uses)
            + INTEREST_POWER * math.log(inputs.interest)
            - AGING * inputs.age
        )
    except ValueError:  # the quotient underflows, or there is no use yet
        logarithm = math.inf
    return logarithm if math.isfinite(logarithm) else _log_score_of_extremes(inputs)


def _log_score_of_extremes(inputs: ScoreInputs) -> float:
    """Do what `log_score` does, where the seconds per byte underflow.

    A sum of costs may be infinite; a buffer without uses counts as used once.
    """
    return (
        math.log(min(inputs.seconds, sys.float_info.max))
        - math.log(max(1, inputs.size))
        + math.log(max(1.0, inputs.uses))
        + INTEREST_POWER * math.log(inputs.interest)
        - AGING * inputs.age
    )


def decayed_uses(uses: float, age: float) -> float:
    """Return `uses`, decayed by `age` turnovers."""
    return uses * math.exp(-AGING * age)


class PriorityLine(NamedTuple):
    """A logarithmic score as a function of time: it falls linearly until `until`.

    Lines can be compared at any time without access to their buffers.
    """

    at_zero: float
    loss_per_second: float = 0.0
    until: float = math.inf

    def at(self, now: float) -> float:
        """Return the logarithmic score at `now`."""
        if self.loss_per_second == 0:
            return self.at_zero
        return self.at_zero - self.loss_per_second * min(now, self.until)


def priority_line(
    inputs: ScoreInputs, tempref: TempRef | None, now: float, turnover: float
) -> PriorityLine:
    """Return `log_score` as a line that is comparable with lines computed at other times.

    Ageing is implemented by adding the current turnover to new scores (as in GreedyDual), instead
    of decrementing all old ones.

    Parameters
    ----------
    inputs
        The inputs at this moment.
    tempref
        The tempref whose interest decays, if any.
    now, turnover
        This moment, in seconds and in turnovers.
    """
    if tempref is None or now >= tempref.fades_until:
        return PriorityLine(log_score(inputs) + AGING * turnover)
    rate = INTEREST_POWER * tempref.fade_rate
    if rate > MAX_DECAY:
        return PriorityLine(log_score(inputs._replace(interest=1.0)) + AGING * turnover)
    current = log_score(inputs) + AGING * turnover
    at_zero = current + rate * max(now, tempref.last_refreshed)
    return PriorityLine(at_zero, rate, tempref.fades_until)
