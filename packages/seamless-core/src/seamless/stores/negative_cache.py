"""What was found to be wrong: told once, and not asked for again for a while.

Not for ever: whoever keeps the buffers may put them right. What comes is hashed in any case,
so forgetting an entry costs a transfer, never a wrong buffer.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from seamless.stores.base import CORRUPT
from seamless.util.locks import new_lock

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

__all__ = ["NegativeCache"]

SECONDS = 300.0
#: Entries that are remembered; the oldest goes first.
ENTRIES = 10_000


class NegativeCache:
    """A set of keys that are held for some time. Safe from any thread.

    Parameters
    ----------
    seconds
        How long a key is held.
    clock
        Gives the time, in seconds.
    """

    def __init__(
        self, seconds: float = SECONDS, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._seconds = seconds
        self._clock = clock
        #: guards the dict below, which is in the order of time
        self._lock = new_lock()
        self._since: dict[Hashable, tuple[float, str]] = {}

    def add(self, key: Hashable, reason: str = CORRUPT) -> bool:
        """Hold a key from now on; tell whether it is new, so that somebody should be told."""
        with self._lock:
            new = self._since.pop(key, None) is None
            self._since[key] = self._clock(), reason
            if len(self._since) > ENTRIES:
                del self._since[next(iter(self._since))]
        return new

    def reason(self, key: Hashable) -> str | None:
        """Return why a key is held, or None if it is not held, or no longer."""
        with self._lock:
            since, reason = self._since.get(key, (None, ""))
        return reason if since is not None and self._clock() - since < self._seconds else None

    def __contains__(self, key: Hashable) -> bool:
        return self.reason(key) is not None

    def release(self, key: Hashable) -> None:
        """Forget a key: what it stands for has been put right."""
        with self._lock:
            self._since.pop(key, None)
