"""The one seam to the outside: fetch, write, known producers, recompute. All of it optional.

Calls the published seamless-remote and seamless-transformer where they are installed, looked
up at each call as attributes of their packages, because they are replaced there at run time;
and the built-in places, buffer directories and hashservers, where some are configured.
Whatever arrives is hashed before it is believed.
"""

from __future__ import annotations

import functools
import importlib
import logging
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from seamless.buffer_class import Buffer
    from seamless.checksum_class import Checksum
    from seamless.stores.configured import OneOrMore
    from seamless.stores.negative_cache import NegativeCache

    #: what was asked, and how that ended
    Tried = list[tuple[str, str]]

__all__ = [
    "can_write",
    "close_connections",
    "configure",
    "fetch",
    "fetch_sync",
    "has_write_server",
    "known_producers",
    "locate",
    "recompute",
    "write",
]

logger = logging.getLogger(__name__)

#: Bytes from which hashing leaves the event loop.
LARGE = 1 << 20
#: What the steps of a neighbour are called in `CacheMissError.tried`.
COMPANION = "seamless-remote"

#: neighbours that were looked for and are not there; a running process does not get new ones
_missing_packages: set[str] = set()


# -- the built-in places --------------------------------------------------------------


def configure(
    *,
    directory: OneOrMore | None = None,
    read_servers: OneOrMore | None = None,
    write_servers: OneOrMore | None = None,
    timeout: float | None = None,
    max_size: int | str | None = None,
) -> None:
    """Say where buffers are read and written. Called again, it begins anew.

    Reading asks the directories, the read servers and the write servers, in this order, and
    ends with the first that has the buffer; writing goes to the first directory and to every
    write server.

    Parameters
    ----------
    directory
        A folder of buffers, laid out as the hashserver does it, or several; the first is
        created when it is first written to, with a warning in the log. An empty list for none;
        None for what the environment variable `SEAMLESS_BUFFER_DIR` says. Relative paths are
        resolved now, those of the variable when it is first read. Where the environment variable
        `SEAMLESS_BUFFER_DIR_CREATE` is 0, every folder must exist.
    read_servers, write_servers
        URLs of hashservers. With both None, those that `SEAMLESS_BUFFER_SERVER` names, each
        for reading and writing.
    timeout
        Seconds that one read or write may take, beyond what its bytes need at 100 kB/s; by
        default 60 for a server, because it holds back its answer while another process uploads
        the buffer, and 120 for a directory, where a writer's lock is waited for.
    max_size
        Bytes of a buffer that is read, at most, as a number or a text like `8GiB`: what is sent
        may be hostile, and can be judged only when all of it is there. With None, what
        `SEAMLESS_BUFFER_MAX_SIZE` says, or else half of the physical memory.

    Raises
    ------
    ValueError
        For a URL that is none, a timeout that is not positive, or a size that is none.
    FileNotFoundError
        For a folder that does not exist, where `SEAMLESS_BUFFER_DIR_CREATE` is 0.
    """
    from seamless.stores import configured

    configured.configure(directory, read_servers, write_servers, timeout, max_size)


def close_connections() -> None:
    """Close the connections to the built-in servers; the next use makes new ones."""
    configured = sys.modules.get(f"{__package__}.stores.configured")
    if configured is not None:
        configured.close()


# -- reading --------------------------------------------------------------------------


async def fetch(
    checksum: Checksum, tried: Tried | None = None, length: int | None = None
) -> bytes | None:
    """Return the content that `checksum` names, if a backend has it.

    Parameters
    ----------
    checksum
        The buffer in question.
    tried
        What was asked and how that ended is added here.
    length
        That of the content, where it is known: no more is read then.
    """
    from seamless.stores import configured

    tried = [] if tried is None else tried
    if configured.readers():
        from seamless.util.run_sync import in_daemon_thread

        content = await in_daemon_thread(lambda: _read_places(checksum, tried, length))
        if content is not None:
            return content
    return await _fetch_from_seamless_remote(checksum, tried)


def fetch_sync(
    checksum: Checksum, tried: Tried | None = None, length: int | None = None
) -> bytes | None:
    """Do what `fetch` does, blocking; with or without a running event loop in this thread."""
    tried = [] if tried is None else tried
    content = _read_places(checksum, tried, length)
    if content is not None or _function("seamless_remote", "buffer_remote", "get_buffer") is None:
        return content
    from seamless.util.run_sync import run_sync

    return run_sync(
        lambda: _fetch_from_seamless_remote(checksum, tried), at_end=close_sessions_of_this_thread
    )


def _read_places(checksum: Checksum, tried: Tried, length: int | None) -> bytes | None:
    from seamless.stores import configured

    for place in configured.readers():
        try:
            answer = place.read(checksum.hex(), length)
        except Exception as error:  # noqa: BLE001 - whatever fails here, the next may have it
            logger.warning("%s could not be asked for %s: %r", place.name, checksum, error)
            tried.append((place.name, f"{type(error).__name__}: {error}"))
            continue
        tried.append((place.name, answer.outcome))
        if answer.content is not None:
            _note_cost(checksum, place.cost_profile)
            return answer.content
    return None


def _note_cost(checksum: Checksum, profile: str) -> None:
    """Let the cache know what it would cost to have this buffer once more."""
    from seamless.caching import eviction_cost
    from seamless.worker_role import is_worker

    if not is_worker():  # which has no cache that could choose
        eviction_cost.set_download_profile(checksum, profile)


async def _fetch_from_seamless_remote(checksum: Checksum, tried: Tried) -> bytes | None:
    get_buffer = _function("seamless_remote", "buffer_remote", "get_buffer")
    if get_buffer is None:
        return None
    found = await get_buffer(checksum)
    if found is None:
        tried.append((COMPANION, "no"))
        return None
    content: bytes = found.content
    if await _matches(checksum, content):
        _note_cost(checksum, "local_hashserver")
        return content
    tried.append((COMPANION, "wrong content"))
    if _wrong_from_neighbour().add(checksum.hex()):
        logger.warning("a buffer server sent other content for %s; it is not used", checksum)
    return None


@functools.cache
def _wrong_from_neighbour() -> NegativeCache:
    from seamless.stores.negative_cache import NegativeCache

    return NegativeCache()


async def _matches(checksum: Checksum, content: bytes) -> bool:
    from seamless.checksum.calculate_checksum import calculate_checksum

    if len(content) < LARGE:
        return calculate_checksum(content) == checksum.hex()
    import asyncio

    return await asyncio.to_thread(calculate_checksum, content) == checksum.hex()


def locate(checksum: Checksum) -> list[tuple[str, str, str]]:
    """Return for each place its name, how it stands with a buffer, and where that would be.

    The servers that seamless-remote uses are asked as well. No content is fetched.
    """
    from seamless.stores import configured

    asked = [*configured.readers(), *configured.excluding_own(_urls_of_neighbour())]
    return [(place.name, *place.locate(checksum.hex())) for place in asked]


def _urls_of_neighbour() -> list[str]:
    clients = _clients("_read_server_clients") + _clients("_write_server_clients")
    urls = (getattr(client, "url", None) for client in clients)
    return [url for url in urls if isinstance(url, str)]


# -- writing --------------------------------------------------------------------------


def has_write_server() -> bool:
    """Tell whether seamless-remote has been given a server to write to."""
    has_server = _function("seamless_remote", "buffer_remote", "has_write_server")
    return has_server is not None and bool(has_server())


def can_write() -> bool:
    """Tell whether there is any backend to write to."""
    from seamless.stores import configured

    return bool(configured.writers()) or has_write_server()


async def write(buffer: Buffer) -> bool:
    """Write a buffer to every write backend; tell whether one of them has it now.

    Raises
    ------
    Exception
        What the first backend raises that fails, when none of them has the buffer.
    """
    from seamless.stores import configured

    checksum = buffer.get_checksum()
    failures: list[Exception] = []
    stored = False
    if configured.writers():
        from seamless.util.run_sync import in_daemon_thread

        stored = await in_daemon_thread(lambda: _write_places(checksum, buffer, failures))
    try:
        stored = await _write_to_neighbour(checksum, buffer) or stored
    except Exception as error:  # noqa: BLE001 - whatever it raises, another place may have it
        failures.append(error)
    if failures and not stored:
        raise failures[0]
    for failure in failures:  # one place must not keep the buffer from the others
        logger.warning("buffer %s is stored, but not everywhere: %s", checksum, failure)
    return stored


def _write_places(checksum: Checksum, buffer: Buffer, failures: list[Exception]) -> bool:
    from seamless.stores import configured

    stored = False
    for place in configured.writers():
        try:
            place.write(checksum.hex(), buffer.content)
            stored = True
        except Exception as error:  # noqa: BLE001 - as above
            failures.append(error)
    return stored


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
    return any(
        not getattr(client, "readonly", False) for client in _clients("_write_server_clients")
    )


def close_sessions_of_this_thread() -> None:
    """Let seamless-remote, if it is loaded, close the sessions that belong to this thread."""
    import threading

    for client in _clients("_read_server_clients") + _clients("_write_server_clients"):
        close = getattr(client, "_close_sessions_for_thread", None)
        if close is not None:
            close(threading.current_thread())


def _clients(kind: str) -> list[Any]:
    module = getattr(sys.modules.get("seamless_remote"), "buffer_remote", None)
    return list(getattr(module, kind, None) or ())


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
    if package not in sys.modules and package in _missing_packages:
        return None
    try:
        parent = sys.modules.get(package) or importlib.import_module(package)
        if not hasattr(parent, name):
            importlib.import_module(f"{package}.{name}")
        return getattr(parent, name, None)
    except ModuleNotFoundError as error:
        _missing_packages.add(package)
        if error.name not in {package, f"{package}.{name}"}:
            _warn_of_broken(package, error)
    except ImportError as error:
        _missing_packages.add(package)
        _warn_of_broken(package, error)
    return None


def _warn_of_broken(package: str, error: ImportError) -> None:
    logger.warning("%s is installed but can't be imported, so it is not used: %s", package, error)
