"""`TempRef` and `StrongEntry`: temporary and counted references to one buffer.

Pure: nothing here locks, waits or sends; methods take the time as a parameter.
"""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Generic, TypeVar

from seamless.caching.holder import Holder
from seamless.util.number_arguments import finite_number

if TYPE_CHECKING:
    from seamless.util.hex_digest import HexDigest

__all__ = ["StrongEntry", "TempRef"]

Held = TypeVar("Held", bound=Holder)

#: Seconds of the shortest fade interval: the loss in one second still fits a float.
MIN_FADE_INTERVAL = 1e-300


class TempRef:
    """A temporary reference: an interest in a buffer that decays exponentially.

    An interest above 1 counts in the score as long as it is above 1, and as 1 afterwards, like a
    counted reference: from then on only cost decides. An interest of 1 or below counts unchanged.

    Parameters
    ----------
    interest
        The interest at `last_refreshed`.
    fade_factor
        The interest is divided by this factor every `fade_interval`.
    fade_interval
        In seconds.
    created, last_refreshed
        Times of the monotonic clock, in seconds; by default this moment.

    Raises
    ------
    ValueError
        For an interest below 0, a factor below 1, an interval that is not positive, or a number
        that is infinite.
    TypeError
        For a parameter that is not a number.
    """

    # no dataclass: importing `dataclasses` costs a fifth of `import seamless`
    __slots__ = ("created", "fade_factor", "fade_interval", "interest", "last_refreshed")

    def __init__(
        self,
        interest: float,
        fade_factor: float = 2.0,
        fade_interval: float = 2.0,
        created: float | None = None,
        last_refreshed: float | None = None,
    ) -> None:
        # valid floats need no call; infinite numbers and NaN fail this test
        if not (
            type(interest) is type(fade_factor) is type(fade_interval) is float
            and 0.0 <= interest < math.inf
            and 1.0 <= fade_factor < math.inf
            and MIN_FADE_INTERVAL <= fade_interval < math.inf
        ):
            interest = finite_number("the interest of a tempref", interest, least=0.0)
            fade_factor = finite_number("the fade factor of a tempref", fade_factor, least=1.0)
            interval = "the fade interval of a tempref in seconds"
            fade_interval = finite_number(interval, fade_interval, least=MIN_FADE_INTERVAL)
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
        """Loss of log(interest) per second."""
        return math.log(self.fade_factor) / self.fade_interval

    def current_interest(self, now: float | None = None) -> float:
        """Return the interest at `now`, by default at this moment."""
        elapsed = (time.monotonic() if now is None else now) - self.last_refreshed
        return self.interest * math.exp(-self.fade_rate * max(0.0, elapsed))

    @property
    def fades_until(self) -> float:
        """The time at which the interest reaches 1: from then on, it counts as 1 in the score.

        If the interest was 1 or below from the beginning, this is `last_refreshed`.
        """
        if self.interest <= 1:
            return self.last_refreshed
        rate = self.fade_rate
        if rate == 0:  # the factor is 1, or the interval too long for a float
            return math.inf
        return self.last_refreshed + math.log(self.interest) / rate

    def lasting_interest(self, now: float) -> float:
        """Return the interest that counts in the score at `now`.

        An interest above 1 falls until it is 1 and stays there; one of 1 or below stays as it is.
        """
        if self.interest <= 1:
            return self.interest
        return max(1.0, self.current_interest(now))

    def refresh(self, now: float | None = None) -> None:
        """Restore the full interest."""
        self.last_refreshed = time.monotonic() if now is None else now

    def renew(self, newer: TempRef) -> None:
        """Take the parameters of a second tempref; the interest never drops by that."""
        self.interest = max(newer.interest, self.current_interest(newer.last_refreshed))
        self.fade_factor = newer.fade_factor
        self.fade_interval = newer.fade_interval
        self.last_refreshed = newer.last_refreshed

    def clear(self) -> None:
        """Set the interest to 0: the buffer is evicted first."""
        self.interest = 0.0


class StrongEntry(Generic[Held]):
    """The state of one referenced checksum.

    `buffer` is None until the buffer is registered, and after it was evicted above the hard cap.
    `stored` is true if a write backend has the buffer. `uses` counts the hits, decayed up to
    `used_at` (in turnovers of the cache, see `caching.score`). `ranked` is true once the entry has
    been put into an eviction queue, and `touched` if it was hit since then.
    """

    __slots__ = (
        "buffer",
        "key",
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

    def __init__(
        self,
        key: HexDigest,
        tempref: TempRef | None,
        buffer: Held | None,
        size: int,
        scratch: bool,
    ) -> None:
        self.key = key
        self.buffer = buffer
        self.size = size
        self.normal_refs = 1 if tempref is None else 0
        self.tempref = tempref
        self.scratch = scratch
        self.stored = False
        self.uses = 0.0 if buffer is None else 1.0
        self.used_at = 0.0
        self.touched = False
        self.ranked = False

    @property
    def scratch_tempref_only(self) -> bool:
        """Whether a scratch tempref is the only reference."""
        return self.scratch and self.normal_refs == 0 and self.tempref is not None
