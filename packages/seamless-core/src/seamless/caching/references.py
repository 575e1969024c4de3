"""References to a buffer: counted ones, and temporary ones whose interest fades.

Pure: nothing here locks, waits or sends, and the time is always a parameter.
"""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

from seamless.util.number_arguments import finite_number

if TYPE_CHECKING:
    from seamless.buffer_class import Buffer

__all__ = ["StrongEntry", "TempRef"]


#: Seconds of the shortest fade interval: what is lost in a second still fits a float.
SHORTEST = 1e-300


class TempRef:
    """An interest in a buffer that fades with time.

    Parameters
    ----------
    interest
        How much the buffer is wanted at `last_refreshed`.
    fade_factor
        By how much the interest is divided every `fade_interval`.
    fade_interval
        In seconds.
    created, last_refreshed
        Times of the monotonic clock, in seconds; by default this moment.

    Raises
    ------
    ValueError
        For an interest below 0, a factor below 1, an interval that is not above 0, and numbers
        that are infinite.
    TypeError
        For anything that is no number.
    """

    # no dataclass: importing those costs a fifth of `import seamless`
    __slots__ = ("created", "fade_factor", "fade_interval", "interest", "last_refreshed")

    def __init__(
        self,
        interest: float,
        fade_factor: float = 2.0,
        fade_interval: float = 2.0,
        created: float | None = None,
        last_refreshed: float | None = None,
    ) -> None:
        # the usual case, without a call; infinite numbers and NaN don't pass
        if not (
            type(interest) is type(fade_factor) is type(fade_interval) is float
            and 0.0 <= interest < math.inf
            and 1.0 <= fade_factor < math.inf
            and SHORTEST <= fade_interval < math.inf
        ):
            interest = finite_number("the interest of a tempref", interest, least=0.0)
            fade_factor = finite_number("the fade factor of a tempref", fade_factor, least=1.0)
            interval = "the fade interval of a tempref in seconds"
            fade_interval = finite_number(interval, fade_interval, least=SHORTEST)
        self.interest = interest
        self.fade_factor = fade_factor
        self.fade_interval = fade_interval
        now = time.monotonic() if created is None else created
        self.created = now
        self.last_refreshed = now if last_refreshed is None else last_refreshed

    def __repr__(self) -> str:
        return (
            f"TempRef(interest={self.interest}, fade_factor={self.fade_factor}, "
            f"fade_interval={self.fade_interval}, created={self.created}, "
            f"last_refreshed={self.last_refreshed})"
        )

    @property
    def fade_rate(self) -> float:
        """Loss of log(interest) in one second."""
        return math.log(self.fade_factor) / self.fade_interval

    def log_interest(self, now: float) -> float:
        """Logarithm of the interest that is left, which unlike itself never underflows."""
        if self.interest == 0:
            return -math.inf
        return math.log(self.interest) - self.fade_rate * max(0.0, now - self.last_refreshed)

    def current_interest(self, now: float | None = None) -> float:
        """Return the interest that is left at `now`, by default at this moment."""
        elapsed = (time.monotonic() if now is None else now) - self.last_refreshed
        return self.interest * math.exp(-self.fade_rate * max(0.0, elapsed))

    @property
    def fades_until(self) -> float:
        """When the interest has come down to the one that stays, `lasting_interest`."""
        if self.interest <= 1:
            return self.last_refreshed
        rate = self.fade_rate
        if rate == 0:  # the factor is 1, or the interval too long for a float
            return math.inf
        return self.last_refreshed + math.log(self.interest) / rate

    def lasting_interest(self, now: float) -> float:
        """Return the interest that counts: it fades to 1, and stays where it began lower.

        A tempref whose time is over is not worth less than a counted reference, so that what
        a buffer costs goes on to decide.
        """
        if self.interest <= 1:
            return self.interest
        return max(1.0, self.current_interest(now))

    def refresh(self, now: float | None = None) -> None:
        """Let the interest be full again."""
        self.last_refreshed = time.monotonic() if now is None else now

    def renew(self, newer: TempRef) -> None:
        """Take over the terms of a second request; what is left of the first is never lost."""
        self.interest = max(newer.interest, self.current_interest(newer.last_refreshed))
        self.fade_factor = newer.fade_factor
        self.fade_interval = newer.fade_interval
        self.last_refreshed = newer.last_refreshed

    def clear(self) -> None:
        """Give the interest up: the buffer is the first to go when memory is short."""
        self.interest = 0.0


class StrongEntry:
    """What the cache knows of one referenced checksum.

    `buffer` is None as long as nobody has brought the buffer, and after the hard cap has
    taken it away. `stored` says that a write backend has it, so that it can be had again.
    `uses` counts how often it was found, as of `used_at` in turnovers of the cache, and
    `touched` says that this has changed since the entry was ranked among those that may leave,
    and `ranked` that it ever was.
    """

    __slots__ = (
        "buffer",
        "normal_refs",
        "ranked",
        "scratch",
        "size",
        "stored",
        "tempref",
        "touched",
        "used_at",
        "uses",
    )

    def __init__(self) -> None:
        self.buffer: Buffer | None = None
        self.size = 0
        self.normal_refs = 0
        self.tempref: TempRef | None = None
        self.scratch = False
        self.stored = False
        self.uses = 0.0
        self.used_at = 0.0
        self.touched = False
        self.ranked = False

    @property
    def scratch_tempref_only(self) -> bool:
        """Whether a scratch tempref is all that holds it."""
        return self.scratch and self.normal_refs == 0 and self.tempref is not None
