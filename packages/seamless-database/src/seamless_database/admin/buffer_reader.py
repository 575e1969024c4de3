"""Read buffers from a buffer directory, by seamless-core."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seamless_database.admin.errors import BufferDirectoryError

if TYPE_CHECKING:
    from pathlib import Path

    from seamless_database.admin.live_checksums import ReadBuffer


def buffer_reader(directory: Path) -> ReadBuffer:
    """Return a function that reads a buffer of a directory, and verifies its checksum.

    Raises
    ------
    BufferDirectoryError
        If there is no such directory, or seamless-core is not installed.
    """
    if not directory.is_dir():
        raise BufferDirectoryError(directory, "there is no such directory")
    try:
        from seamless import CacheMissError, Checksum, remote
    except ImportError:
        reason = "reading it needs seamless-core: pip install seamless-core"
        raise BufferDirectoryError(directory, reason) from None
    remote.configure(directory=str(directory), read_servers=[], write_servers=[])

    def read(checksum: str) -> bytes | None:
        try:
            buffer = Checksum(checksum).resolve()
        except CacheMissError:
            return None
        content: bytes = buffer.content
        return content

    return read
