"""A workload: what is timed, the limit beside it, and how near to that it ought to be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True)
class Workload:
    """Makers of the work and of its limit; each makes a function whose calls are timed."""

    work: Callable[[], Callable[..., Any]]
    limit: Callable[[], Callable[..., Any]]
    #: how many times the limit is wanted at most; None where the limit is no yardstick
    at_most: float | None = None
    #: how many times faster than the published package is wanted at least
    at_least: float = 1.0

    def side(self, *, limit: bool) -> Callable[..., Any]:
        """Make what is timed."""
        return self.limit() if limit else self.work()


class Prepared:
    """Work on something that is made anew before each call, outside the timing."""

    def __init__(self, prepare: Callable[[], Any], work: Callable[[Any], Any]) -> None:
        self.prepare, self._work = prepare, work

    def __call__(self, argument: Any) -> Any:
        """Do what is timed."""
        return self._work(argument)
