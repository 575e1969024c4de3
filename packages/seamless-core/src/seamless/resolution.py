"""Finding the buffer of a checksum: trivial, cached, stored somewhere, or computed again.

The calls go back through the `Checksum` where its class may have been patched: a worker
process replaces `resolve` and `resolution` by questions to its parent.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from . import remote
from .buffer_class import Buffer
from .caching import buffer_cache
from .checksum.trivial import trivial_content
from .errors import CacheMissError

if TYPE_CHECKING:
    from .checksum_class import Checksum

__all__ = [
    "Location",
    "find_buffer",
    "find_buffer_sync",
    "fingertip",
    "fingertip_sync",
    "locations",
]

logger = logging.getLogger(__name__)


def find_buffer_sync(checksum: Checksum) -> Buffer:
    """Return the buffer that `checksum` names; blocks, whether or not a loop is running.

    Raises
    ------
    CacheMissError
        When it is found nowhere.
    """
    buffer = _find_here(checksum)
    return buffer if buffer is not None else _received(checksum, remote.fetch_sync(checksum))


async def find_buffer(checksum: Checksum) -> Buffer:
    """Do what `find_buffer_sync` does, as a coroutine."""
    buffer = _find_here(checksum)
    return buffer if buffer is not None else _received(checksum, await remote.fetch(checksum))


def _find_here(checksum: Checksum) -> Buffer | None:
    content = trivial_content(checksum)
    if content is not None:
        return Buffer(content, checksum=checksum)
    return buffer_cache.get_buffer_cache().get(checksum)


def _received(checksum: Checksum, content: bytes | None) -> Buffer:
    if content is None:
        raise CacheMissError(checksum)
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
    except CacheMissError:
        return await _recompute(checksum, celltype)


def fingertip_sync(checksum: Checksum, celltype: str | None) -> Any:
    """Do what `fingertip` does, blocking, whether or not a loop is running."""
    try:
        return checksum.resolve(celltype)
    except CacheMissError:
        from .util.run_sync import run_sync

        return run_sync(
            lambda: _recompute(checksum, celltype), at_end=remote.close_sessions_of_this_thread
        )


async def _recompute(checksum: Checksum, celltype: str | None) -> Any:
    for transformation in await remote.known_producers(checksum):
        try:
            result = await remote.recompute(transformation)
        except Exception as error:  # noqa: BLE001 - a transformation may fail in any way
            logger.info("transformation %s can't be run again: %s", transformation, error)
            continue
        if result is None or result != checksum:
            logger.info("transformation %s gave %s, not %s", transformation, result, checksum)
            continue
        try:
            return await checksum.resolution(celltype)
        except CacheMissError:
            logger.info("transformation %s did not leave its result", transformation)
    raise CacheMissError(checksum)


@dataclass(frozen=True)
class Location:
    """A place where a buffer can be had, or was looked for.

    `place` is `trivial`, `cache` or `directory`; `where` the path, in a directory.
    """

    place: str
    found: bool
    where: str | None = None


def locations(checksum: Checksum, *, verbose: bool = False) -> list[Location] | None:
    """Return where a buffer can be had without computing; None if nowhere that is known.

    Parameters
    ----------
    checksum
        The buffer in question.
    verbose
        Also return the places that were looked at in vain.
    """
    places = [
        Location("trivial", trivial_content(checksum) is not None),
        Location("cache", buffer_cache.get_buffer_cache().get(checksum) is not None),
    ]
    directory = remote.buffer_directory()
    if directory is not None:
        path = directory.find(checksum)
        places.append(Location("directory", path is not None, str(path or directory.path)))
    shown = [place for place in places if place.found or verbose]
    return shown or None
