"""Buffer stores and companion packages: fetch, write, find producers, recompute.

Three kinds of backend are optional: the built-in buffer directories and hashservers that are
configured, seamless-remote, and seamless-transformer. The companion packages are looked up at
each call as attributes of their packages, because they replace functions there at run time.

Content is used only after its checksum is verified: `stores.receiving` verifies what hashservers
send and what compressed files contain, `stores.directory` verifies uncompressed files, and this
module verifies what seamless-remote returns.
"""

from __future__ import annotations

import functools
import importlib
import logging
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from seamless.caching.holder import Holder
    from seamless.stores.configured import OneOrMore
    from seamless.stores.negative_cache import NegativeCache
    from seamless.util.hex_digest import HexDigest

    #: each store that was asked, and the outcome
    Tried = list[tuple[str, str]]

__all__ = [
    "Fetched",
    "batch_size",
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
    "write_together",
]

logger = logging.getLogger(__name__)

#: Bytes from which content is hashed in a thread, outside the event loop.
MIN_BYTES_FOR_THREAD = 1 << 20
#: The name of seamless-remote in `CacheMissError.tried`.
COMPANION = "seamless-remote"

#: companion packages that were not found; a running process does not get new ones
_missing_packages: set[str] = set()


class Fetched(NamedTuple):
    """Verified content, and the download profile of its source (see `caching.cost_model`)."""

    content: bytes
    cost_profile: str


# -- configuration --------------------------------------------------------------------


def configure(
    *,
    directory: OneOrMore | None = None,
    read_servers: OneOrMore | None = None,
    write_servers: OneOrMore | None = None,
    timeout: float | None = None,
    max_size: int | str | None = None,
) -> None:
    """Set the stores that buffers are read from and written to; replaces earlier settings.

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
        Seconds that one read or write may take, in addition to the transfer of its bytes at
        100 kB/s. The default is 60 for a server, which delays its response while another process
        uploads the buffer, and 120 for a directory, where a read waits for a writer's lock.
    max_size
        Bytes that a buffer may have when it is read, as a number or a text like `8GiB`. A server
        may be hostile, and content can be verified only when it is complete. With None, the value
        of `SEAMLESS_BUFFER_MAX_SIZE`, or else half of the physical memory.

    Raises
    ------
    ValueError
        For an invalid URL or size, or a timeout that is not positive.
    FileNotFoundError
        For a folder that does not exist, where `SEAMLESS_BUFFER_DIR_CREATE` is 0.
    """
    from seamless.stores import configured

    configured.configure(directory, read_servers, write_servers, timeout, max_size)


def close_connections() -> None:
    """Close the connections to hashservers; the next use opens new ones."""
    configured = sys.modules.get(f"{__package__}.stores.configured")
    if configured is not None:
        configured.close()


# -- reading --------------------------------------------------------------------------


async def fetch(
    checksum: HexDigest, tried: Tried | None = None, length: int | None = None
) -> Fetched | None:
    """Return the content of a checksum from the first store that has it.

    Parameters
    ----------
    checksum
        A `Checksum`, which seamless-remote expects.
    tried
        A list to which each store and its outcome are appended.
    length
        The known length of the content: no more is read.
    """
    from seamless.stores import configured

    tried = [] if tried is None else tried
    if configured.readers():
        from seamless.util.run_sync import in_daemon_thread

        fetched = await in_daemon_thread(lambda: _read_from_stores(checksum, tried, length))
        if fetched is not None:
            return fetched
    return await _fetch_from_seamless_remote(checksum, tried)


def fetch_sync(
    checksum: HexDigest, tried: Tried | None = None, length: int | None = None
) -> Fetched | None:
    """Do what `fetch` does, blocking; with or without a running event loop in this thread."""
    tried = [] if tried is None else tried
    fetched = _read_from_stores(checksum, tried, length)
    if fetched is not None or _function("seamless_remote", "buffer_remote", "get_buffer") is None:
        return fetched
    from seamless.util.run_sync import run_sync

    return run_sync(
        lambda: _fetch_from_seamless_remote(checksum, tried), at_end=close_sessions_of_this_thread
    )


def _read_from_stores(checksum: HexDigest, tried: Tried, length: int | None) -> Fetched | None:
    from seamless.stores import configured

    for store in configured.readers():
        try:
            result = store.read(checksum.hex(), length)
        except Exception as error:  # noqa: BLE001 - the next store may have the buffer
            logger.warning("%s could not be asked for %s: %r", store.name, checksum, error)
            tried.append((store.name, f"{type(error).__name__}: {error}"))
            continue
        tried.append((store.name, result.outcome))
        if result.content is not None:
            return Fetched(result.content, store.cost_profile)
    return None


async def _fetch_from_seamless_remote(checksum: HexDigest, tried: Tried) -> Fetched | None:
    get_buffer = _function("seamless_remote", "buffer_remote", "get_buffer")
    if get_buffer is None:
        return None
    found = await get_buffer(checksum)
    if found is None:
        tried.append((COMPANION, "no"))
        return None
    content: bytes = found.content
    if await _matches(checksum, content):
        return Fetched(content, "local_hashserver")
    tried.append((COMPANION, "wrong content"))
    if _rejected_from_companion().add(checksum.hex()):
        logger.warning("a buffer server sent other content for %s; it is not used", checksum)
    return None


@functools.cache
def _rejected_from_companion() -> NegativeCache:
    from seamless.stores.negative_cache import NegativeCache

    return NegativeCache()


async def _matches(checksum: HexDigest, content: bytes) -> bool:
    from seamless.checksum.calculate_checksum import calculate_checksum

    if len(content) < MIN_BYTES_FOR_THREAD:
        return calculate_checksum(content) == checksum.hex()
    import asyncio

    return await asyncio.to_thread(calculate_checksum, content) == checksum.hex()


def locate(checksum: HexDigest) -> list[tuple[str, str, str]]:
    """Return for each store its name, the outcome of the look-up, and the path or URL.

    The servers that seamless-remote uses are included. No content is fetched.
    """
    from seamless.stores import configured

    stores = [*configured.readers(), *configured.additional_servers(_companion_urls())]
    return [(store.name, *store.locate(checksum.hex())) for store in stores]


def _companion_urls() -> list[str]:
    clients = _clients("_read_server_clients") + _clients("_write_server_clients")
    urls = (getattr(client, "url", None) for client in clients)
    return [url for url in urls if isinstance(url, str)]


# -- writing --------------------------------------------------------------------------


def has_write_server() -> bool:
    """Return whether seamless-remote is configured with a server to write to."""
    has_server = _function("seamless_remote", "buffer_remote", "has_write_server")
    return has_server is not None and bool(has_server())


def can_write() -> bool:
    """Return whether any write backend is configured."""
    from seamless.stores import configured

    return bool(configured.writers()) or has_write_server()


def batch_size() -> int:
    """Return how many buffers one call of `write_together` should get, at most."""
    from seamless.stores import configured

    if has_write_server():
        return 1  # a slow upload would delay the others of its batch
    return min((store.batch_size for store in configured.writers()), default=1)


async def write(buffer: Holder) -> bool:
    """Write a buffer to every write backend; return whether at least one of them has it.

    Raises
    ------
    Exception
        The error of the first backend that failed, when none of them has the buffer.
    """
    (outcome,) = await write_together([buffer])
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


async def write_together(buffers: Sequence[Holder]) -> list[bool | Exception]:
    """Write several buffers like `write`; return for each the result, or the error."""
    from seamless.stores import configured

    results: list[list[Exception | None]] = [[] for _ in buffers]
    if configured.writers():
        from seamless.util.run_sync import in_daemon_thread

        results = await in_daemon_thread(lambda: _write_to_stores(buffers))
    return [await _finish(*pair) for pair in zip(buffers, results, strict=True)]


def _write_to_stores(buffers: Sequence[Holder]) -> list[list[Exception | None]]:
    """Write buffers to all stores; return for each the errors, None where it is stored."""
    from seamless.stores import configured

    contents = [(buffer.get_checksum().hex(), buffer.content) for buffer in buffers]
    outcomes: list[list[Exception | None]] = []
    for store in configured.writers():
        try:
            outcomes.append(store.write_together(contents))
        except Exception as error:  # noqa: BLE001 - the other stores still get the buffers
            outcomes.append([error] * len(contents))
    return [list(errors) for errors in zip(*outcomes, strict=True)]


async def _finish(buffer: Holder, results: list[Exception | None]) -> bool | Exception:
    """Write a buffer to seamless-remote, and return what all backends together have done."""
    checksum = buffer.get_checksum()
    failures = [error for error in results if error is not None]
    stored = None in results
    try:
        stored = await _write_to_seamless_remote(checksum, buffer) or stored
    except Exception as error:  # noqa: BLE001 - another backend may have stored the buffer
        failures.append(error)
    if failures and not stored:
        return failures[0]
    for failure in failures:
        logger.warning("buffer %s is stored, but not everywhere: %s", checksum, failure)
    return stored


async def _write_to_seamless_remote(checksum: HexDigest, buffer: Holder) -> bool:
    write_buffer = _function("seamless_remote", "buffer_remote", "write_buffer")
    if write_buffer is None or not has_write_server():
        return False
    promise = _function("seamless_remote", "buffer_remote", "promise")
    if promise is not None:  # readers wait for a promised buffer instead of failing
        await promise(checksum)
    return bool(await write_buffer(checksum, buffer))


def close_sessions_of_this_thread() -> None:
    """Close the sessions that seamless-remote, if it is loaded, has opened in this thread."""
    import threading

    for client in _clients("_read_server_clients") + _clients("_write_server_clients"):
        close = getattr(client, "_close_sessions_for_thread", None)
        if close is not None:
            close(threading.current_thread())


def _clients(kind: str) -> list[Any]:
    module = getattr(sys.modules.get("seamless_remote"), "buffer_remote", None)
    return list(getattr(module, kind, None) or ())


# -- recomputing ----------------------------------------------------------------------


async def known_producers(checksum: HexDigest) -> list[HexDigest]:
    """Return the transformations that are known to produce `checksum`, local ones first."""
    producers: list[HexDigest] = []
    get_cache = _function(
        "seamless_transformer", "transformation_cache", "get_transformation_cache"
    )
    if get_cache is not None:
        producers += get_cache().get_reverse_transformations(checksum) or ()
    get_remote = _function("seamless_remote", "database_remote", "get_rev_transformations")
    if get_remote is not None:
        producers += await get_remote(checksum) or ()
    return list(dict.fromkeys(producers))


async def recompute(transformation: HexDigest) -> HexDigest | None:
    """Run a transformation again; return the checksum of its result, None if it can't be run."""
    run = _function(
        "seamless_transformer", "transformation_cache", "recompute_from_transformation_checksum"
    )
    if run is None:
        return None
    result: HexDigest | None = await run(transformation.hex(), scratch=True, require_value=True)
    return result


# -- companion packages ---------------------------------------------------------------


def _function(package: str, module: str, name: str) -> Any:
    """Look up a function of a companion package now; None if there is none."""
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
