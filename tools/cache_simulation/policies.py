"""Who leaves a full cache: our policy, and those that it is compared with.

`published` is the order in which seamless-core 0.1.4 evicts. It was learned from outside, by
filling its cache with buffers of known size, cost and interest, lowering the cap step by step
and looking which were gone: the lowest (references + interest) * cost / size goes first,
where the interest of a tempref halves every two seconds. That it also drops, at each pass,
whatever has an interest below 1/128 (after 28 seconds) is left out here, in its favour.
"""

from __future__ import annotations

import heapq
import importlib
import math
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Protocol, cast

from seamless import Buffer, Checksum
from seamless.caching.buffer_cache import BufferCache

if TYPE_CHECKING:
    from collections.abc import Callable

    from tools.cache_simulation.traces import Request, Trace

NEVER = 1 << 60


class Policy(Protocol):
    """A cache of limited size."""

    def access(self, request: Request) -> bool:
        """Ask for a buffer, which is put in if it is not there; returns whether it was."""


class LeastRecentlyUsed:
    """Who was not wanted for longest leaves first."""

    def __init__(self, trace: Trace) -> None:
        self.room = trace.capacity
        self.sizes: OrderedDict[int, int] = OrderedDict()

    def access(self, request: Request) -> bool:
        """Ask for a buffer."""
        if request.key in self.sizes:
            self.sizes.move_to_end(request.key)
            return True
        self.sizes[request.key] = request.size
        self.room -= request.size
        while self.room < 0 and len(self.sizes) > 1:
            self.room += self.sizes.popitem(last=False)[1]
        return False


class UpstreamCache:
    """Interest that halves every two seconds, times cost by size; see the top of this file."""

    def __init__(self, trace: Trace) -> None:
        self.room = trace.capacity
        #: key -> score and size; all scores fall alike, so they are stated as of time zero
        self.kept: dict[int, tuple[float, int]] = {}
        self.heap: list[tuple[float, int]] = []

    def access(self, request: Request) -> bool:
        """Ask for a buffer."""
        hit = request.key in self.kept
        if not hit:
            self.room -= request.size
        score = math.log(request.seconds / request.size) + math.log(2) / 2 * request.at
        self.kept[request.key] = (score, request.size)
        heapq.heappush(self.heap, (score, request.key))
        while self.room < 0 and len(self.kept) > 1:
            score, key = heapq.heappop(self.heap)
            if key in self.kept and self.kept[key][0] == score:
                self.room += self.kept.pop(key)[1]
        return hit


class Cachey:
    """The package of that name, with cost stated by byte as it wants it."""

    def __init__(self, trace: Trace) -> None:
        self.cache: Any = importlib.import_module("cachey").Cache(trace.capacity)

    def access(self, request: Request) -> bool:
        """Ask for a buffer."""
        if self.cache.get(request.key) is not None:
            return True
        cost = request.seconds / request.size
        self.cache.put(request.key, True, cost=cost, nbytes=request.size)
        return False


class FakeBuffer:
    """Stands for a buffer of some size, without the bytes."""

    __slots__ = ("__weakref__", "size")

    def __init__(self, size: int) -> None:
        self.size = size

    def __len__(self) -> int:
        return self.size

    def adopt_content(self, existing: object) -> bool:
        """Say that the bytes differ: there are none to share."""
        return existing is self


class OurCache:
    """The buffer cache itself, with the clock of the trace: `get`, and `tempref` each time."""

    def __init__(self, trace: Trace) -> None:
        self.now = 0.0
        self.cache: BufferCache[Any] = BufferCache(
            trace.capacity, 10 * trace.capacity, clock=lambda: self.now
        )

    def access(self, request: Request) -> bool:
        """Ask for a buffer."""
        self.now = request.at
        checksum = Checksum(request.key.to_bytes(32, "big"))
        found = self.cache.get(checksum)
        if found is None:
            with self.cache.update_costs(checksum) as costs:
                costs.set_download_seconds(checksum, request.seconds)
        buffer = found if found is not None else cast("Buffer", FakeBuffer(request.size))
        self.cache.tempref(checksum, buffer=buffer, scratch=True)
        return found is not None


class ClairvoyantGreedy:
    """Knows the future: the least cost by size and by time until it is paid leaves first.

    May leave a buffer out altogether. No order that can be had is likely to do better, though
    this is no proof of a lower bound.
    """

    def __init__(self, trace: Trace) -> None:
        self.room = trace.capacity
        self.turn = -1
        self.next_uses = [NEVER] * len(trace.requests)
        later: dict[int, int] = {}
        for turn in range(len(trace.requests) - 1, -1, -1):
            key = trace.requests[turn].key
            self.next_uses[turn] = later.get(key, NEVER)
            later[key] = turn
        #: key -> next use, size, cost by size
        self.kept: dict[int, tuple[int, int, float]] = {}

    def access(self, request: Request) -> bool:
        """Ask for a buffer."""
        self.turn += 1
        before = self.kept.pop(request.key, None)
        if before is not None:
            self.room += request.size
        next_use = self.next_uses[self.turn]
        if next_use != NEVER:
            self.kept[request.key] = (next_use, request.size, request.seconds / request.size)
            self.room -= request.size
        while self.room < 0:
            self.room += self.kept.pop(min(self.kept, key=self.score))[1]
        return before is not None

    def score(self, key: int) -> float:
        """Cost by size and by time until it is paid."""
        next_use, _, cost = self.kept[key]
        return cost / (next_use - self.turn)


#: what is compared, in the order of the table
POLICIES: dict[str, Callable[[Trace], Policy]] = {
    "ours": OurCache,
    "LRU": LeastRecentlyUsed,
    "published": UpstreamCache,
    "cachey": Cachey,
    "clairvoyant": ClairvoyantGreedy,
}


def cost_paid(policy: Policy, trace: Trace) -> float:
    """Return the seconds that all requests of a trace take which a cache does not answer."""
    return sum(request.seconds for request in trace.requests if not policy.access(request))
