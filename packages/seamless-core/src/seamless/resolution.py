"""Finding the content of a checksum: trivial buffers, buffer stores, companion packages.

`Checksum.resolve` asks the buffer cache first, then `find_content_sync`; `Checksum.fingertip`
also calls `recompute`. `remote` returns verified content only; most of it is verified by
`stores.receiving`.
"""

from __future__ import annotations

import contextlib
import logging
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from seamless import remote, worker_role
from seamless.caching import buffer_cache, eviction_cost
from seamless.checksum.trivial import trivial_content
from seamless.errors import CacheMissError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from seamless.util.hex_digest import HexDigest

    Value = TypeVar("Value")

__all__ = [
    "Location",
    "expecting",
    "find_content",
    "find_content_sync",
    "locations",
    "recompute",
    "recompute_sync",
]

logger = logging.getLogger(__name__)

#: the known length of the buffer that is being resolved
_length: ContextVar[int | None] = ContextVar("length", default=None)


@contextlib.contextmanager
def expecting(length: int | None) -> Iterator[None]:
    """Limit what is read for the checksum that the block resolves to `length` bytes.

    This is not an argument of `Checksum.resolve`, which companion packages replace.
    """
    before = _length.set(length)
    try:
        yield
    finally:
        _length.reset(before)


def find_content_sync(checksum: HexDigest) -> bytes:
    """Return the content of a checksum that is not in the cache.

    Blocks, with or without a running event loop in this thread.

    Raises
    ------
    CacheMissError
        When no store has it.
    """
    content = trivial_content(checksum.bytes())
    if content is not None:
        return content
    tried = [("cache", "no")]
    return _content_of(checksum, remote.fetch_sync(checksum, tried, _length.get()), tried)


async def find_content(checksum: HexDigest) -> bytes:
    """Do what `find_content_sync` does, as a coroutine."""
    content = trivial_content(checksum.bytes())
    if content is not None:
        return content
    tried = [("cache", "no")]
    return _content_of(checksum, await remote.fetch(checksum, tried, _length.get()), tried)


def _content_of(
    checksum: HexDigest, fetched: remote.Fetched | None, tried: list[tuple[str, str]]
) -> bytes:
    """Return what was fetched, and record what fetching it again would cost."""
    if fetched is None:
        raise CacheMissError(checksum, tried=tried)
    if not worker_role.is_worker():  # a worker has no cache of its own
        eviction_cost.set_download_profile(checksum, fetched.cost_profile)
    return fetched.content


async def recompute(
    checksum: HexDigest, miss: CacheMissError, resolve: Callable[[], Awaitable[Value]]
) -> Value:
    """Run the transformations that are known to produce a checksum, until it resolves.

    Parameters
    ----------
    checksum
        The checksum that could not be resolved.
    miss
        The error that said so.
    resolve
        Resolves it again after a transformation has succeeded.

    Raises
    ------
    CacheMissError
        When no known transformation produces it.
    """
    tried = list(miss.tried)
    producers = await remote.known_producers(checksum)
    if not producers:
        tried.append(("recomputation", "no transformation is known to give it"))
    for transformation in producers:
        outcome = await _run_again(transformation, checksum)
        if outcome is None:
            try:
                return await resolve()
            except CacheMissError:
                outcome = "did not leave its result"
        logger.info("transformation %s: %s", transformation, outcome)
        tried.append((f"transformation {transformation}", outcome))
    raise CacheMissError(checksum, tried=tried)


def recompute_sync(
    checksum: HexDigest, miss: CacheMissError, resolve: Callable[[], Awaitable[Value]]
) -> Value:
    """Do what `recompute` does, blocking, with or without a running event loop."""
    from seamless.util.run_sync import run_sync

    return run_sync(
        lambda: recompute(checksum, miss, resolve), at_end=remote.close_sessions_of_this_thread
    )


async def _run_again(transformation: HexDigest, wanted: HexDigest) -> str | None:
    """Run a transformation; return None if its result is `wanted`, else what happened."""
    try:
        result = await remote.recompute(transformation)
    except Exception as error:  # noqa: BLE001 - a transformation may fail in any way
        return f"{type(error).__name__}: {error}"
    if result is None:
        return "can't be run here"
    return None if result == wanted else f"gave {result}"


@dataclass(frozen=True)
class Location:
    """One look-up of a buffer.

    `kind` is `trivial`, `cache`, `directory`, `server` or `transformation`; `where` the
    path, the URL or the transformation's checksum. `outcome` says how the look-up ended:
    `found`, `no`, or an error.
    """

    kind: str
    found: bool
    where: str | None = None
    outcome: str = ""


def locations(checksum: HexDigest, *, verbose: bool = False) -> list[Location] | None:
    """Return where a buffer is, as far as is known; None if it is found nowhere.

    Nothing is fetched or computed: a server is asked whether it has the buffer, and a
    transformation that is known to produce it is listed last, without being run.

    Parameters
    ----------
    checksum
        The checksum of the buffer.
    verbose
        Also return the look-ups that did not find it.
    """
    found = [
        _location("trivial", trivial_content(checksum.bytes()) is not None),
        _location("cache", buffer_cache.get_buffer_cache().get(checksum) is not None),
    ]
    for name, outcome, where in remote.locate(checksum):
        kind = "directory" if name.startswith("directory ") else "server"
        found.append(Location(kind, outcome == "found", where, outcome))
    found += [Location("transformation", True, p.hex(), "found") for p in _producers(checksum)]
    return [location for location in found if location.found or verbose] or None


def _location(kind: str, found: bool) -> Location:
    return Location(kind, found, None, "found" if found else "no")


def _producers(checksum: HexDigest) -> list[HexDigest]:
    from seamless.util.run_sync import run_sync

    try:
        return run_sync(
            lambda: remote.known_producers(checksum), at_end=remote.close_sessions_of_this_thread
        )
    except Exception as error:  # noqa: BLE001 - a database that fails must not hide a buffer
        logger.info("the producers of %s are not known: %s", checksum, error)
        return []
