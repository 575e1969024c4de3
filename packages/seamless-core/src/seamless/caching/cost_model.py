"""What is known of the cost of having a buffer again: by download, or by computing it.

Facts outlive the buffers that they are about, for when those come back, but only so many: what
was not looked at for longest is forgotten, and then defaults hold. Safe from any thread.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from seamless.util.locks import new_lock
from seamless.util.lru import LRU
from seamless.util.number_arguments import finite_number

if TYPE_CHECKING:
    from collections.abc import Iterable

    from seamless.util.hex_digest import HexDigest


__all__ = ["CostModel", "CostProfile", "Estimate"]

GIGABYTE = 1e9
#: How many checksums are remembered, with facts and with past uses each.
MAX_ENTRIES = 20_000
#: Bytes that a buffer can have at most.
LONGEST = 2**63 - 1
#: How many transformations one estimate follows back at most.
MAX_DEPTH = 64
#: What a buffer that can be downloaded nowhere is taken to have cost, where nobody recorded
#: it: a minute of somebody's computing.
DEFAULT_TRANSFORMATION_SECONDS = 60.0


class CostProfile(NamedTuple):
    """A kind of place to download from: seconds for a gigabyte, and for any request."""

    name: str
    seconds_per_gb: float
    min_seconds: float = 0.0

    def seconds(self, size: int) -> float:
        """Return how long a download of `size` bytes takes."""
        return self.min_seconds + self.seconds_per_gb * size / GIGABYTE


DEFAULT_READ_BUFFER_PROFILE = CostProfile("read_buffer", 1.0, 0.001)
DEFAULT_LOCAL_HASH_PROFILE = CostProfile("local_hashserver", 10.0, 0.01)
DEFAULT_REMOTE_HASH_PROFILE = CostProfile("remote_hashserver", 100.0, 0.1)
PROFILES = {
    profile.name: profile
    for profile in (
        DEFAULT_READ_BUFFER_PROFILE,
        DEFAULT_LOCAL_HASH_PROFILE,
        DEFAULT_REMOTE_HASH_PROFILE,
    )
}


class KnownCosts(NamedTuple):
    """What was recorded of one buffer; None is unknown."""

    profile: CostProfile | None = None
    download_seconds: float | None = None
    compute_seconds: float | None = None
    length: int | None = None
    dependencies: tuple[bytes, ...] = ()


class Estimate(NamedTuple):
    """How long it takes to have a buffer again, and by which way."""

    seconds: float
    source: str


NOTHING = KnownCosts()


class CostModel:
    """Costs that were recorded, by checksum, and past uses of buffers that have left."""

    def __init__(self, remembered: int = MAX_ENTRIES) -> None:
        #: guards the facts of a buffer while one is added to them
        self._lock = new_lock()
        self._facts: LRU[bytes, KnownCosts] = LRU(remembered)
        self._past_uses: LRU[bytes, tuple[float, float]] = LRU(remembered)

    def __len__(self) -> int:
        return len(self._facts) + len(self._past_uses)

    # -- recording --------------------------------------------------------------------

    def set_profile(self, checksum: HexDigest, name: str) -> None:
        """Say where a buffer can be downloaded; see `PROFILES`."""
        if name not in PROFILES:
            known = ", ".join(PROFILES)
            raise ValueError(f"{name!r} is no download profile; there are {known}")
        self._record(checksum, profile=PROFILES[name])

    def set_download_seconds(self, checksum: HexDigest, seconds: float) -> None:
        """Say how long a download takes, whatever its profile."""
        self._record(checksum, download_seconds=_seconds("a download", checksum, seconds))

    def set_compute_seconds(self, checksum: HexDigest, seconds: float) -> None:
        """Say how long the transformation took that made a buffer."""
        self._record(checksum, compute_seconds=_seconds("a computation", checksum, seconds))

    def set_length(self, checksum: HexDigest, length: int) -> None:
        """Say how long a buffer is."""
        finite_number(f"the length of {checksum} in bytes", length, least=0.0)
        size = int(length)
        if size > LONGEST:
            raise ValueError(f"{checksum} can't have {size} bytes, but at most {LONGEST}")
        self._record(checksum, length=size)

    def set_dependencies(self, checksum: HexDigest, dependencies: Iterable[HexDigest]) -> None:
        """Say which buffers the transformation took that made this one."""
        self._record(checksum, dependencies=tuple(each.bytes() for each in dependencies))

    def _record(self, checksum: HexDigest, **known: object) -> None:
        digest = checksum.bytes()
        with self._lock:
            facts = self._of(digest)._replace(**known)  # type: ignore[arg-type]  # typed by callers
            self._facts[digest] = facts

    def _of(self, digest: bytes) -> KnownCosts:
        # most buffers have no facts, and asking whether they do is cheap
        return self._facts.get(digest, NOTHING) if digest in self._facts else NOTHING

    # -- estimating -------------------------------------------------------------------

    def estimate(self, digest: bytes, size: int | None = None, *, stored: bool = False) -> Estimate:
        """Return how long it takes to have a buffer again, once it has left.

        What can be downloaded is downloaded. Anything else is computed, from dependencies
        that are downloaded or computed as well, each counted once.

        Parameters
        ----------
        digest
            Which buffer.
        size
            In bytes, where the caller knows.
        stored
            Whether a write backend has it; if so, and no profile was set, it counts as a
            hashserver in the same building.
        """
        facts = self._of(digest)
        length = size if size is not None else facts.length or 0
        profile = facts.profile or (DEFAULT_LOCAL_HASH_PROFILE if stored else None)
        if facts.download_seconds is not None:
            return Estimate(facts.download_seconds, "download")
        if profile is not None:
            return Estimate(profile.seconds(length), f"download ({profile.name})")
        own = facts.compute_seconds
        if own is None:
            own = DEFAULT_TRANSFORMATION_SECONDS
        handling = DEFAULT_READ_BUFFER_PROFILE.seconds_per_gb * length / GIGABYTE
        if not facts.dependencies:
            known = "recomputation" if facts.compute_seconds is not None else "unknown"
            return Estimate(own + handling, known)
        inputs = self._seconds_of_inputs(digest, facts)
        return Estimate(own + handling + inputs, "recomputation with dependencies")

    def _seconds_of_inputs(self, digest: bytes, facts: KnownCosts) -> float:
        seconds = 0.0
        seen, waiting = {digest}, list(facts.dependencies)
        while waiting and len(seen) <= MAX_DEPTH:
            dependency = waiting.pop()
            if dependency in seen:
                continue
            seen.add(dependency)
            inner = self._of(dependency)
            if inner.download_seconds is not None:
                seconds += inner.download_seconds
            elif inner.profile is not None:
                seconds += inner.profile.seconds(inner.length or 0)
            else:  # an input of which nothing is known is taken to be at hand
                seconds += inner.compute_seconds or 0.0
                waiting += inner.dependencies
        return seconds

    # -- uses -------------------------------------------------------------------------

    def save_uses(self, digest: bytes, uses: float, used_at: float) -> None:
        """Remember how often a buffer that leaves was used, as of when."""
        self._past_uses[digest] = (uses, used_at)

    def pop_uses(self, digest: bytes) -> tuple[float, float] | None:
        """Return, and forget, what `save_uses` was told."""
        return self._past_uses.pop(digest, None) if digest in self._past_uses else None


def _seconds(what: str, checksum: HexDigest, seconds: float) -> float:
    return finite_number(f"the seconds that {what} of {checksum} takes", seconds, least=0.0)
