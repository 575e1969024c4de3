"""Finding the buffer of a checksum: trivial, cached, stored somewhere, or computed again.

The calls go back through the `Checksum` where its class may have been patched: a worker
process replaces `resolve` and `resolution` by questions to its parent.
"""

from __future__ import annotations

import contextlib
import logging
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from seamless import remote
from seamless.buffer_class import Buffer
from seamless.caching import buffer_cache
from seamless.checksum.trivial import trivial_content
from seamless.errors import CacheMissError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seamless.checksum_class import Checksum

__all__ = [
    "Location",
    "expecting",
    "find_buffer",
    "find_buffer_sync",
    "fingertip",
    "fingertip_sync",
    "locations",
]

logger = logging.getLogger(__name__)

#: the length that is known of the buffer that is being looked for
_length: ContextVar[int | None] = ContextVar("length", default=None)


@contextlib.contextmanager
def expecting(length: int | None) -> Iterator[None]:
    """Let no more than `length` bytes be read for the checksum that is resolved in the block.

    Not an argument of `Checksum.resolve`, which neighbouring packages replace.
    """
    before = _length.set(length)
    try:
        yield
    finally:
        _length.reset(before)


def find_buffer_sync(checksum: Checksum) -> Buffer:
    """Return the buffer that `checksum` names; blocks, whether or not a loop is running.

    Raises
    ------
    CacheMissError
        When it is found nowhere.
    """
    buffer = _find_here(checksum)
    if buffer is not None:
        return buffer
    tried = [("cache", "no")]
    return _received(checksum, remote.fetch_sync(checksum, tried, _length.get()), tried)


async def find_buffer(checksum: Checksum) -> Buffer:
    """Do what `find_buffer_sync` does, as a coroutine."""
    buffer = _find_here(checksum)
    if buffer is not None:
        return buffer
    tried = [("cache", "no")]
    return _received(checksum, await remote.fetch(checksum, tried, _length.get()), tried)


def _find_here(checksum: Checksum) -> Buffer | None:
    content = trivial_content(checksum.bytes())
    if content is not None:
        return Buffer(content, checksum=checksum)
    return buffer_cache.get_buffer_cache().get(checksum)


def _received(checksum: Checksum, content: bytes | None, tried: list[tuple[str, str]]) -> Buffer:
    if content is None:
        raise CacheMissError(checksum, tried=tried)
    return Buffer(content, checksum=checksum)


async def fingertip(checksum: Checksum, celltype: str | None) -> Any:
    """Resolve a checksum, or else compute its buffer again.

    Raises
    ------
    CacheMissError
        When it is found nowhere and no known transformation gives it again.
    """
    try:
        return await checksum.resolution(celltype)
    except CacheMissError as miss:
        return await _recompute(checksum, celltype, miss)


def fingertip_sync(checksum: Checksum, celltype: str | None) -> Any:
    """Do what `fingertip` does, blocking, whether or not a loop is running."""
    try:
        return checksum.resolve(celltype)
    except CacheMissError as error:
        from seamless.util.run_sync import run_sync

        miss = error  # `error` is gone when the lambda runs, for all that the checker knows
        return run_sync(
            lambda: _recompute(checksum, celltype, miss),
            at_end=remote.close_sessions_of_this_thread,
        )


async def _recompute(checksum: Checksum, celltype: str | None, miss: CacheMissError) -> Any:
    tried = list(miss.tried)
    producers = await remote.known_producers(checksum)
    if not producers:
        tried.append(("recomputation", "no transformation is known to give it"))
    for transformation in producers:
        outcome = await _run_again(transformation, checksum)
        if outcome is None:
            try:
                return await checksum.resolution(celltype)
            except CacheMissError:
                outcome = "did not leave its result"
        logger.info("transformation %s: %s", transformation, outcome)
        tried.append((f"transformation {transformation}", outcome))
    raise CacheMissError(checksum, tried=tried)


async def _run_again(transformation: Checksum, wanted: Checksum) -> str | None:
    """Run a transformation; None if it gave what is wanted, else what happened instead."""
    try:
        result = await remote.recompute(transformation)
    except Exception as error:  # noqa: BLE001 - a transformation may fail in any way
        return f"{type(error).__name__}: {error}"
    if result is None:
        return "can't be run here"
    return None if result == wanted else f"gave {result}"


@dataclass(frozen=True)
class Location:
    """A place where a buffer can be had, or was looked for.

    `place` is `trivial`, `cache`, `directory`, `server` or `transformation`; `where` the
    path, the URL or the transformation's checksum. `outcome` says how the look-up ended:
    `found`, `no`, or what went wrong.
    """

    place: str
    found: bool
    where: str | None = None
    outcome: str = ""


def locations(checksum: Checksum, *, verbose: bool = False) -> list[Location] | None:
    """Return where a buffer can be had, as far as is known; None if nowhere.

    Nothing is fetched or computed: a server is asked whether it has the buffer, and a
    transformation that has given it before is listed last, without being run.

    Parameters
    ----------
    checksum
        The buffer in question.
    verbose
        Also return the places that were looked at in vain.
    """
    places = [
        _location("trivial", trivial_content(checksum.bytes()) is not None),
        _location("cache", buffer_cache.get_buffer_cache().get(checksum) is not None),
    ]
    for name, outcome, where in remote.locate(checksum):
        kind = "directory" if name.startswith("directory ") else "server"
        places.append(Location(kind, outcome == "found", where, outcome))
    places += [_location("transformation", True, p.hex()) for p in _producers(checksum)]
    shown = [place for place in places if place.found or verbose]
    return shown or None


def _location(place: str, found: bool, where: str | None = None) -> Location:
    return Location(place, found, where, "found" if found else "no")


def _producers(checksum: Checksum) -> list[Checksum]:
    from seamless.util.run_sync import run_sync

    try:
        return run_sync(
            lambda: remote.known_producers(checksum), at_end=remote.close_sessions_of_this_thread
        )
    except Exception as error:  # noqa: BLE001 - a database that is gone hides no buffer
        logger.info("the producers of %s are not known: %s", checksum, error)
        return []
