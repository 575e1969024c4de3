"""What is counted while serving: plain numbers, so that counting costs next to nothing.

Each of these belongs to one thread that adds to it; any thread may read it, and at worst misses
what is being added.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from seamless_database.storage.commit_metrics import SECONDS, Histogram

if TYPE_CHECKING:
    from collections.abc import Iterable

#: the type of a request that has none of ours
UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class RequestLabels:
    """What is told apart among requests."""

    method: str
    type: str
    status: int


class RequestMetrics:
    """How long requests took, of each kind; only known methods and types are kinds."""

    def __init__(self, methods: Iterable[str], types: Iterable[str]) -> None:
        self._methods, self._types = frozenset(methods), frozenset(types)
        # plain tuples as keys: a look-up is most of what counting costs
        self._kinds: dict[tuple[str, str, int], Histogram] = {}

    def add(self, method: str, kind: str, status: int, seconds: float) -> None:
        """Count a request."""
        found = self._kinds.get((method, kind, status))
        if found is None:
            found = self._other(method, kind, status)
        found.add(seconds)

    def items(self) -> list[tuple[RequestLabels, Histogram]]:
        """Give what was counted so far."""
        return [(RequestLabels(*key), found) for key, found in sorted(self._kinds.copy().items())]

    def _other(self, method: str, kind: str, status: int) -> Histogram:
        # clients choose these words, and must not fill the memory with them
        key = (
            method if method in self._methods else UNKNOWN,
            kind if kind in self._types else UNKNOWN,
            status,
        )
        return self._kinds.setdefault(key, Histogram(SECONDS))
