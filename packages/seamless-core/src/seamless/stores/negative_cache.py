"""`NegativeCache`: buffers with wrong content, reported once and not requested again for a while.

Entries expire, because the store may be repaired. All content is hashed, so an expired entry
costs a transfer, and never yields a wrong buffer.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from seamless.stores.base import CORRUPT
from seamless.util.locks import new_lock

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

__all__ = ["NegativeCache"]

TTL_SECONDS = 300.0
#: Entries that are kept, at most; the oldest is dropped first.
MAX_ENTRIES = 10_000


class NegativeCache:
    """A set of keys that expire. Thread-safe.

    Parameters
    ----------
    seconds
        The lifetime of an entry.
    clock
        Returns the time, in seconds.
    """

    def __init__(
        self, seconds: float = TTL_SECONDS, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._seconds = seconds
        self._clock = clock
        #: guards the dict below, which is in the order of insertion
        self._lock = new_lock()
        self._since: dict[Hashable, tuple[float, str]] = {}

    def add(self, key: Hashable, reason: str = CORRUPT) -> bool:
        """Add or renew a key; return whether it is new and should be reported."""
        with self._lock:
            new = self._since.pop(key, None) is None
            self._since[key] = self._clock(), reason
            if len(self._since) > MAX_ENTRIES:
                del self._since[next(iter(self._since))]
        return new

    def reason(self, key: Hashable) -> str | None:
        """Return the reason of a key, or None if it is missing or expired."""
        with self._lock:
            since, reason = self._since.get(key, (None, ""))
        return reason if since is not None and self._clock() - since < self._seconds else None

    def __contains__(self, key: Hashable) -> bool:
        return self.reason(key) is not None

    def release(self, key: Hashable) -> None:
        """Remove a key: its buffer has been repaired."""
        with self._lock:
            self._since.pop(key, None)
