"""Places that buffers come from and go to: buffer directories and hashservers."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from seamless.cli.command import CommandError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from seamless.stores.base import BufferStore

__all__ = ["configured_places", "open_place"]


def open_place(place: str, *, create: bool = False) -> BufferStore:
    """Return the store at a path or URL.

    Parameters
    ----------
    place
        A path of a buffer directory, or `http://HOST:PORT` of a hashserver.
    create
        Whether the directory may be missing; the first write creates it.

    Raises
    ------
    OSError
        When the directory can't be listed.
    CommandError
        When the URL is malformed.
    """
    if "://" in place:
        from seamless.stores.hashserver import HashServer

        try:
            return HashServer(place)
        except ValueError as error:
            raise CommandError(str(error)) from None
    from seamless.stores.directory import BufferDirectory

    if not (create and not os.path.lexists(place)):
        os.scandir(place).close()
    return BufferDirectory(Path(place))


def configured_places(folder: str) -> Iterable[BufferStore]:
    """Return the stores that the environment configures, without the folder itself."""
    from seamless.stores.configured import readers
    from seamless.stores.directory import BufferDirectory

    own = os.path.realpath(folder)
    for store in readers():
        if not (isinstance(store, BufferDirectory) and os.path.realpath(store.path) == own):
            yield store
