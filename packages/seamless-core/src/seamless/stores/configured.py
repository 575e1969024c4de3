"""The configured buffer stores: from `remote.configure`, or else from the environment.

Four variables of the environment are read:

- `SEAMLESS_BUFFER_DIR`: buffer directories, separated as in `PATH`,
- `SEAMLESS_BUFFER_SERVER`: URLs of hashservers, separated by commas or spaces,
- `SEAMLESS_BUFFER_MAX_SIZE`: the size of a buffer that is read, at most,
- `SEAMLESS_BUFFER_DIR_CREATE`: 0 if a missing directory must not be created; it is read by
  `stores.directory.check_folder`.

There is one store for each path or URL, which keeps its connections and its negative cache; a new
configuration creates new stores.
"""

from __future__ import annotations

import functools
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from seamless.stores.base import TIMEOUT_SECONDS
from seamless.util.number_arguments import parse_byte_size

if TYPE_CHECKING:
    from collections.abc import Iterable

    from seamless.stores.base import BufferStore

    #: one path or URL, or several in their order
    OneOrMore = str | os.PathLike[str] | Iterable[str | os.PathLike[str]]

__all__ = ["additional_servers", "close", "configure", "readers", "writers"]

DIRECTORY_VARIABLE = "SEAMLESS_BUFFER_DIR"
SERVER_VARIABLE = "SEAMLESS_BUFFER_SERVER"
SIZE_VARIABLE = "SEAMLESS_BUFFER_MAX_SIZE"

_directories: tuple[str, ...] | None = None
_read_servers: tuple[str, ...] | None = None
_write_servers: tuple[str, ...] | None = None
_timeout: float | None = None
_max_size: int | None = None


def configure(
    directory: OneOrMore | None,
    read_servers: OneOrMore | None,
    write_servers: OneOrMore | None,
    timeout: float | None,
    max_size: int | str | None = None,
) -> None:
    """Store the arguments of `remote.configure`; None stands for the environment."""
    global _directories, _read_servers, _write_servers, _timeout, _max_size  # noqa: PLW0603 - one per process
    directories = _absolute(_as_tuple(directory))
    servers = _as_tuple(read_servers), _as_tuple(write_servers)
    for url in (*(servers[0] or ()), *(servers[1] or ())):
        _check_url(url, "configure()")
    if timeout is not None and not timeout > 0:
        raise ValueError(f"timeout is {timeout} seconds; it must be more than 0")
    size = None if max_size is None else parse_byte_size(max_size)
    _check_folders(directories or ())
    close()
    _open.cache_clear()
    _directories_in.cache_clear()
    _instances.clear()
    _directories = directories
    _read_servers, _write_servers = servers
    _timeout, _max_size = timeout, size


def readers() -> list[BufferStore]:
    """Return the stores to read from, in order: directories, read servers, write servers."""
    urls = (*_servers(_read_servers), *_servers(_write_servers))
    return _stores([*_paths(), *dict.fromkeys(urls)])


def writers() -> list[BufferStore]:
    """Return the stores to write to: the first directory, and all write servers."""
    return _stores([*_paths()[:1], *dict.fromkeys(_servers(_write_servers))])


def additional_servers(urls: Iterable[str]) -> list[BufferStore]:
    """Return the servers at those URLs that `readers` does not include."""
    from seamless.stores.server_url import without_password

    known = {store.name for store in readers()}
    return _stores(url for url in dict.fromkeys(urls) if without_password(url) not in known)


def close() -> None:
    """Close the connections of all stores; their next use opens new ones."""
    for store in tuple(_instances):
        store.close()


def _paths() -> list[Path]:
    directories = _directories
    if directories is None:
        directories = _directories_in(os.environ.get(DIRECTORY_VARIABLE, ""))
    return [Path(path) for path in directories]


@functools.lru_cache(maxsize=64)
def _directories_in(variable: str) -> tuple[str, ...]:
    """Split the value of the variable; relative paths are resolved at the first call."""
    return _absolute(tuple(filter(None, variable.split(os.pathsep)))) or ()


def _absolute(paths: tuple[str, ...] | None) -> tuple[str, ...] | None:
    """Resolve relative paths now, so that a later `chdir` does not change the folder."""
    return None if paths is None else tuple(map(os.path.abspath, paths))


def _servers(configured: tuple[str, ...] | None) -> tuple[str, ...]:
    if configured is not None:
        return configured
    if _read_servers is not None or _write_servers is not None:
        return ()  # servers of one kind only are configured
    urls = tuple(filter(None, re.split(r"[,\s]+", os.environ.get(SERVER_VARIABLE, ""))))
    for url in urls:
        _check_url(url, SERVER_VARIABLE)
    return urls


def _as_tuple(given: OneOrMore | None) -> tuple[str, ...] | None:
    if given is None:
        return None
    if isinstance(given, (str, os.PathLike)):
        given = (given,)
    return tuple(os.fspath(item) for item in given)


def _check_folders(directories: Iterable[str]) -> None:
    from seamless.stores.directory import check_folder

    for directory in directories:
        check_folder(Path(directory))


def _check_url(url: str, source: str) -> None:
    from seamless.stores.server_url import parse_server_url

    try:
        parse_server_url(url)
    except ValueError as error:
        raise ValueError(f"{error}, from {source}") from None


def _stores(where: Iterable[Path | str]) -> list[BufferStore]:
    return [_open(item, _timeout, _size_limit()) for item in where]


def _size_limit() -> int | None:
    if _max_size is not None:
        return _max_size
    variable = os.environ.get(SIZE_VARIABLE)
    try:
        return parse_byte_size(variable) if variable else None
    except ValueError as error:
        raise ValueError(f"{SIZE_VARIABLE}: {error}") from None


#: all stores, which may have connections
_instances: list[BufferStore] = []


@functools.lru_cache(maxsize=64)
def _open(where: Path | str, timeout: float | None, max_size: int | None) -> BufferStore:
    store = _make(where, timeout, max_size)
    _instances.append(store)
    return store


def _make(where: Path | str, timeout: float | None, max_size: int | None) -> BufferStore:
    if isinstance(where, Path):
        from seamless.stores.directory import BufferDirectory, check_folder

        check_folder(where)
        return BufferDirectory(where, timeout=timeout, max_size=max_size)
    from seamless.stores.hashserver import HashServer

    return HashServer(where, TIMEOUT_SECONDS if timeout is None else timeout, max_size)


def _reset_after_fork() -> None:
    for store in _instances:
        store.reset_after_fork()


os.register_at_fork(after_in_child=_reset_after_fork)
