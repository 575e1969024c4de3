"""The one seam to the outside: fetch, write, known producers, recompute. All of it optional.

Calls the published seamless-remote and seamless-transformer where they are installed, looked
up at each call as attributes of their packages, because they are replaced there at run time;
and the built-in buffer directory where one is configured. Whatever arrives is hashed before
it is believed.
"""

from __future__ import annotations

import functools
import importlib
import logging
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .backends.buffer_directory import BufferDirectory
    from .buffer_class import Buffer
    from .checksum_class import Checksum

__all__ = [
    "can_write",
    "configure",
    "fetch",
    "fetch_sync",
    "has_write_server",
    "known_producers",
    "recompute",
    "write",
]

logger = logging.getLogger(__name__)

DIRECTORY_VARIABLE = "SEAMLESS_BUFFER_DIR"
#: Bytes from which hashing leaves the event loop.
LARGE = 1 << 20

_directory: BufferDirectory | None = None
#: neighbours that were looked for and are not there; a running process does not get new ones
_absent: set[str] = set()


# -- the built-in backend -------------------------------------------------------------


def configure(*, directory: str | os.PathLike[str] | None = None) -> None:
    """Say where buffers are read and written when no server does it.

    Parameters
    ----------
    directory
        A folder of buffers, laid out as the hashserver does it; made when first written to.
        None for what the environment variable `SEAMLESS_BUFFER_DIR` says.
    """
    global _directory  # noqa: PLW0603 - the one configuration of this process
    _directory = None if directory is None else _open_directory(Path(directory))


def buffer_directory() -> BufferDirectory | None:
    """Return the configured buffer directory, if there is one."""
    if _directory is not None:
        return _directory
    path = os.environ.get(DIRECTORY_VARIABLE)
    return _open_directory(Path(path)) if path else None


@functools.lru_cache(maxsize=8)
def _open_directory(path: Path) -> BufferDirectory:
    from .backends.buffer_directory import BufferDirectory

    return BufferDirectory(path)


# -- reading --------------------------------------------------------------------------


async def fetch(checksum: Checksum) -> bytes | None:
    """Return the content that `checksum` names, if a backend has it."""
    directory = buffer_directory()
    if directory is not None:
        import asyncio

        content = await asyncio.to_thread(directory.read, checksum)
        if content is not None:
            return content
    return await _fetch_from_neighbour(checksum)


def fetch_sync(checksum: Checksum) -> bytes | None:
    """Do what `fetch` does, blocking; with or without a running event loop in this thread."""
    directory = buffer_directory()
    content = None if directory is None else directory.read(checksum)
    if content is not None or _function("seamless_remote", "buffer_remote", "get_buffer") is None:
        return content
    from .util.run_sync import run_sync

    return run_sync(lambda: _fetch_from_neighbour(checksum), at_end=close_sessions_of_this_thread)


async def _fetch_from_neighbour(checksum: Checksum) -> bytes | None:
    get_buffer = _function("seamless_remote", "buffer_remote", "get_buffer")
    found = None if get_buffer is None else await get_buffer(checksum)
    if found is None:
        return None
    content: bytes = found.content
    if await _names(checksum, content):
        return content
    logger.warning("a buffer server sent other content for %s; it is not used", checksum)
    return None


async def _names(checksum: Checksum, content: bytes) -> bool:
    from .checksum.calculate_checksum import calculate_checksum

    if len(content) < LARGE:
        return calculate_checksum(content) == checksum.hex()
    import asyncio

    return await asyncio.to_thread(calculate_checksum, content) == checksum.hex()


# -- writing --------------------------------------------------------------------------


def has_write_server() -> bool:
    """Tell whether seamless-remote has been given a server to write to."""
    has_server = _function("seamless_remote", "buffer_remote", "has_write_server")
    return has_server is not None and bool(has_server())


def can_write() -> bool:
    """Tell whether there is any backend to write to."""
    return buffer_directory() is not None or has_write_server()


async def write(buffer: Buffer, *, blocking: bool = False) -> bool:
    """Write a buffer to every write backend; tell whether one of them has it now.

    Parameters
    ----------
    buffer
        The buffer.
    blocking
        If true, files are written in this very thread, which must be allowed to block.

    Raises
    ------
    Exception
        What the backends raise, when none of them has the buffer.
    """
    checksum = buffer.get_checksum()
    try:
        stored = await _write_to_directory(checksum, buffer, blocking)
    except OSError as error:  # a full disk must not keep the buffer from the servers
        if not await _write_to_neighbour(checksum, buffer):
            raise
        logger.warning("buffer %s is on a server, but not in the directory: %s", checksum, error)
        return True
    return await _write_to_neighbour(checksum, buffer) or stored


async def _write_to_directory(checksum: Checksum, buffer: Buffer, blocking: bool) -> bool:
    directory = buffer_directory()
    if directory is None:
        return False
    if blocking:
        directory.write(checksum, buffer.content)
    else:
        import asyncio

        await asyncio.to_thread(directory.write, checksum, buffer.content)
    return True


async def _write_to_neighbour(checksum: Checksum, buffer: Buffer) -> bool:
    write_buffer = _function("seamless_remote", "buffer_remote", "write_buffer")
    if write_buffer is None or not has_write_server():
        return False
    promise = _function("seamless_remote", "buffer_remote", "promise")
    if promise is not None:  # readers wait for what is promised, instead of failing
        await promise(checksum)
    return bool(await write_buffer(checksum, buffer))


def has_writable_client() -> bool:
    """Tell whether seamless-remote, if it is loaded, has a client that may write."""
    return any(not getattr(client, "readonly", False) for client in _write_clients())


def close_sessions_of_this_thread() -> None:
    """Let seamless-remote, if it is loaded, close the sessions that belong to this thread."""
    import threading

    for client in _write_clients():
        close = getattr(client, "_close_sessions_for_thread", None)
        if close is not None:
            close(threading.current_thread())


def _write_clients() -> list[Any]:
    module = getattr(sys.modules.get("seamless_remote"), "buffer_remote", None)
    return list(getattr(module, "_write_server_clients", None) or ())


# -- computing again ------------------------------------------------------------------


async def known_producers(checksum: Checksum) -> list[Checksum]:
    """Return the transformations that are known to have given `checksum`, local ones first."""
    producers: list[Checksum] = []
    get_cache = _function(
        "seamless_transformer", "transformation_cache", "get_transformation_cache"
    )
    if get_cache is not None:
        producers += get_cache().get_reverse_transformations(checksum) or ()
    get_remote = _function("seamless_remote", "database_remote", "get_rev_transformations")
    if get_remote is not None:
        producers += await get_remote(checksum) or ()
    return list(dict.fromkeys(producers))


async def recompute(transformation: Checksum) -> Checksum | None:
    """Run a transformation again and return the checksum of its result, if it can be run."""
    run = _function(
        "seamless_transformer", "transformation_cache", "recompute_from_transformation_checksum"
    )
    if run is None:
        return None
    result: Checksum | None = await run(transformation.hex(), scratch=True, require_value=True)
    return result


# -- neighbours -----------------------------------------------------------------------


def _function(package: str, module: str, name: str) -> Any:
    """Look up a function of a neighbour, now; None where there is no such thing."""
    return getattr(_module(package, module), name, None)


def _module(package: str, name: str) -> Any:
    if package not in sys.modules and package in _absent:
        return None
    try:
        parent = sys.modules.get(package) or importlib.import_module(package)
        if not hasattr(parent, name):
            importlib.import_module(f"{package}.{name}")
        return getattr(parent, name, None)
    except ModuleNotFoundError as error:
        _absent.add(package)
        if error.name not in {package, f"{package}.{name}"}:
            _warn_of_broken(package, error)
    except ImportError as error:
        _absent.add(package)
        _warn_of_broken(package, error)
    return None


def _warn_of_broken(package: str, error: ImportError) -> None:
    logger.warning("%s is installed but can't be imported, so it is not used: %s", package, error)
