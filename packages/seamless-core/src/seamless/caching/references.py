"""References to a buffer: counted ones, and temporary ones whose interest fades.

Pure: nothing here locks, waits or sends, and the time is always a parameter.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..buffer_class import Buffer

__all__ = ["StrongEntry", "TempRef"]


@dataclass
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
        Times of the monotonic clock, in seconds.
    """

    interest: float
    fade_factor: float = 2.0
    fade_interval: float = 2.0
    created: float = field(default_factory=time.monotonic)
    last_refreshed: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        if not self.interest >= 0:
            raise ValueError(f"the interest of a tempref can't be negative: {self.interest}")
        if not self.fade_factor >= 1:
            raise ValueError(f"the fade factor of a tempref is at least 1: {self.fade_factor}")
        if not self.fade_interval > 0:
            raise ValueError(f"the fade interval of a tempref is positive: {self.fade_interval}")

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
        return math.exp(self.log_interest(time.monotonic() if now is None else now))

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


@dataclass(slots=True)
class StrongEntry:
    """What the cache knows of one referenced checksum.

    `buffer` is None as long as nobody has brought the buffer, and after the hard cap has
    taken it away. `stored` says that a write backend has it, so that it can be had again.
    """

    buffer: Buffer | None = None
    size: int = 0
    normal_refs: int = 0
    tempref: TempRef | None = None
    scratch: bool = False
    stored: bool = False

    @property
    def wanted(self) -> bool:
        """Whether any reference is left."""
        return self.normal_refs > 0 or self.tempref is not None

    @property
    def scratch_tempref_only(self) -> bool:
        """Whether a scratch tempref is all that holds it."""
        return self.scratch and self.normal_refs == 0 and self.tempref is not None
