"""What the buffer cache tells of itself: statistics, the terms of a score, and leaks. Pure.

All of it reads a `StrongTable`; `BufferCache` calls it inside its lock.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from seamless.caching.score import log_score

if TYPE_CHECKING:
    from collections.abc import Callable

    from seamless.caching.strong_table import StrongTable

__all__ = ["Explanation", "Leak", "describe_leaks", "explain", "leaks"]


class Explanation(NamedTuple):
    """Why a buffer stays or goes: the terms of its score, as `worth.log_score` has them.

    `held_by` is `counted references` or `tempref`, `way` how it would be had again. The
    buffer whose `score` is the lowest among those held alike leaves first; `log_score` tells
    scores apart that are too small or too large for a float.
    """

    checksum: str
    held_by: str
    in_memory: bool
    size: int
    seconds: float
    way: str
    uses: float
    interest: float
    age: float
    score: float
    log_score: float


def explain(table: StrongTable, digest: bytes, now: float) -> Explanation | None:
    """Return the terms of a referenced buffer, or None if it is not referenced."""
    entry = table.entries.get(digest)
    if entry is None:
        return None
    score_inputs = table.score_inputs(digest, entry, now)
    height = log_score(score_inputs)
    return Explanation(
        checksum=digest.hex(),
        held_by="counted references" if entry.normal_refs else "tempref",
        in_memory=entry.buffer is not None,
        way=table.estimate(digest, entry).source,
        score=math.exp(min(height, 700.0)),
        log_score=height,
        **score_inputs._asdict(),
    )


class Leak(NamedTuple):
    """A checksum that counted references hold, how many, and where they were taken."""

    checksum: str
    references: int
    size: int
    places: tuple[str, ...]


def leaks(table: StrongTable, places: Callable[[bytes], tuple[str, ...]]) -> list[Leak]:
    """Return what counted references hold, the largest first."""
    held = [
        Leak(digest.hex(), entry.normal_refs, entry.size, places(digest))
        for digest, entry in table.entries.copy().items()
        if entry.normal_refs
    ]
    return sorted(held, key=lambda leak: (-leak.size, leak.checksum))


def describe_leaks(found: list[Leak]) -> str:
    """Say in a text for people what `leaks` found; empty if that is nothing."""
    lines = []
    for leak in found:
        noun = "reference" if leak.references == 1 else "references"
        lines.append(f"{leak.checksum}: {leak.references} {noun}, {leak.size} bytes")
        lines += [f"  taken at {place}" for place in leak.places]
    return "\n".join(lines)
