"""`CostModel`: the cost of downloading or recomputing a buffer, and past uses of evicted buffers.

Recorded costs outlive their buffers, in an LRU of bounded size; defaults replace those that are
dropped. Thread-safe.
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
#: Buffers with recorded costs that are kept, at most; as many with past uses.
MAX_ENTRIES = 20_000
#: Bytes of a buffer, at most.
MAX_LENGTH = 2**63 - 1
#: Transformations that one estimate follows back, at most.
MAX_DEPTH = 64
#: Assumed duration of a transformation without a recorded duration.
DEFAULT_TRANSFORMATION_SECONDS = 60.0


class CostProfile(NamedTuple):
    """A kind of store: seconds for a gigabyte, and the minimum for any request."""

    name: str
    seconds_per_gb: float
    min_seconds: float = 0.0

    def seconds(self, size: int) -> float:
        """Return the seconds of a download of `size` bytes."""
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
    """The recorded costs of one buffer; None is unknown."""

    profile: CostProfile | None = None
    download_seconds: float | None = None
    compute_seconds: float | None = None
    length: int | None = None
    dependencies: tuple[bytes, ...] = ()


class Estimate(NamedTuple):
    """The seconds that reloading a buffer takes, and how it is reloaded."""

    seconds: float
    source: str


NOTHING = KnownCosts()


class CostModel:
    """Recorded costs, and past uses of evicted buffers, by digest."""

    def __init__(self, max_entries: int = MAX_ENTRIES) -> None:
        #: guards the update of recorded costs
        self._lock = new_lock()
        self._known: LRU[bytes, KnownCosts] = LRU(max_entries)
        self._past_uses: LRU[bytes, tuple[float, float]] = LRU(max_entries)

    def __len__(self) -> int:
        return len(self._known) + len(self._past_uses)

    # -- recording --------------------------------------------------------------------

    def set_profile(self, checksum: HexDigest, name: str) -> None:
        """Set the kind of store of a buffer; see `PROFILES`."""
        if name not in PROFILES:
            known = ", ".join(PROFILES)
            raise ValueError(f"{name!r} is no download profile; there are {known}")
        self._record(checksum, profile=PROFILES[name])

    def set_download_seconds(self, checksum: HexDigest, seconds: float) -> None:
        """Set the seconds of a download, instead of those of its profile."""
        self._record(checksum, download_seconds=_seconds("a download", checksum, seconds))

    def set_compute_seconds(self, checksum: HexDigest, seconds: float) -> None:
        """Set the seconds of the transformation that produced a buffer."""
        self._record(checksum, compute_seconds=_seconds("a computation", checksum, seconds))

    def set_length(self, checksum: HexDigest, length: int) -> None:
        """Set the length of a buffer."""
        finite_number(f"the length of {checksum} in bytes", length, least=0.0)
        size = int(length)
        if size > MAX_LENGTH:
            raise ValueError(f"{checksum} can't have {size} bytes, but at most {MAX_LENGTH}")
        self._record(checksum, length=size)

    def set_dependencies(self, checksum: HexDigest, dependencies: Iterable[HexDigest]) -> None:
        """Set the input buffers of the transformation that produced this one."""
        self._record(checksum, dependencies=tuple(each.bytes() for each in dependencies))

    def _record(self, checksum: HexDigest, **known: object) -> None:
        digest = checksum.bytes()
        with self._lock:
            updated = self._of(digest)._replace(**known)  # type: ignore[arg-type]  # typed by callers
            self._known[digest] = updated

    def _of(self, digest: bytes) -> KnownCosts:
        # most buffers have no recorded costs; `in` is cheaper than `get`
        return self._known.get(digest, NOTHING) if digest in self._known else NOTHING

    # -- estimating -------------------------------------------------------------------

    def estimate(self, digest: bytes, size: int | None = None, *, stored: bool = False) -> Estimate:
        """Return the estimated cost of reloading an evicted buffer.

        A buffer is downloaded if possible. Otherwise it is recomputed from its dependencies,
        which are downloaded or recomputed as well, each counted once.

        Parameters
        ----------
        digest
            The digest of the buffer.
        size
            In bytes, if known.
        stored
            Whether a write backend has it; without a profile, that counts as a local hashserver.
        """
        known = self._of(digest)
        length = size if size is not None else known.length or 0
        profile = known.profile or (DEFAULT_LOCAL_HASH_PROFILE if stored else None)
        if known.download_seconds is not None:
            return Estimate(known.download_seconds, "download")
        if profile is not None:
            return Estimate(profile.seconds(length), f"download ({profile.name})")
        own = known.compute_seconds
        if own is None:
            own = DEFAULT_TRANSFORMATION_SECONDS
        handling = DEFAULT_READ_BUFFER_PROFILE.seconds_per_gb * length / GIGABYTE
        if not known.dependencies:
            source = "recomputation" if known.compute_seconds is not None else "unknown"
            return Estimate(own + handling, source)
        inputs = self._seconds_of_inputs(digest, known)
        return Estimate(own + handling + inputs, "recomputation with dependencies")

    def _seconds_of_inputs(self, digest: bytes, known: KnownCosts) -> float:
        seconds = 0.0
        seen, waiting = {digest}, list(known.dependencies)
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
            else:  # inputs without known costs are assumed to be available
                seconds += inner.compute_seconds or 0.0
                waiting += inner.dependencies
        return seconds

    # -- uses -------------------------------------------------------------------------

    def save_uses(self, digest: bytes, uses: float, used_at: float) -> None:
        """Keep the uses of an evicted buffer, and the turnover that they are valid for."""
        self._past_uses[digest] = (uses, used_at)

    def pop_uses(self, digest: bytes) -> tuple[float, float] | None:
        """Return and remove the uses of an evicted buffer."""
        return self._past_uses.pop(digest, None) if digest in self._past_uses else None


def _seconds(what: str, checksum: HexDigest, seconds: float) -> float:
    return finite_number(f"the seconds that {what} of {checksum} takes", seconds, least=0.0)
