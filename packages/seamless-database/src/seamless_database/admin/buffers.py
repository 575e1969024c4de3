"""Buffers of a buffer directory, by seamless-core, and the checksums that they hold.

The buffer of a transformation is a JSON object with a list for each input: the cell type first, the
checksum last. The buffers of inputs and results of some cell types hold checksums themselves.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias, TypeGuard

from seamless_database.admin.access.rows import as_object
from seamless_database.admin.errors import BufferDirectoryError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

#: reads a buffer by its checksum; None if it is not there
ReadBuffer: TypeAlias = Callable[[str], bytes | None]

_CHECKSUM = re.compile("[0-9a-f]{64}")
_CHECKSUM_IN_JSON = re.compile(rb'"([0-9a-f]{64})"')
#: cell types of inputs and results whose buffers hold checksums
_DEEP = frozenset({"checksum", "deepcell", "deepfolder", "folder", "module"})


class Buffers:
    """Reads buffers from a directory, and verifies their checksums; may copy them to another one.

    The stores of seamless-core belong to the process, so there is one object at a time.

    Raises
    ------
    BufferDirectoryError
        If there is no such directory, or seamless-core is not installed.
    """

    def __init__(self, directory: Path, copy_to: Path | None = None) -> None:
        if not directory.is_dir():
            raise BufferDirectoryError(directory, "there is no such directory")
        try:
            from seamless import remote
        except ImportError:
            reason = "reading it needs seamless-core: pip install seamless-core"
            raise BufferDirectoryError(directory, reason) from None
        directories = [str(path) for path in (copy_to, directory) if path is not None]
        remote.configure(directory=directories, read_servers=[], write_servers=[])

    def read(self, checksum: str) -> bytes | None:
        """Return the content of a buffer, or None; a damaged row may have no checksum."""
        from seamless import CacheMissError, Checksum

        if not is_checksum(checksum):
            return None
        try:
            content: bytes = Checksum(checksum).resolve().content
        except CacheMissError:
            return None
        return content

    def copy(self, checksum: str) -> int | None:
        """Copy a buffer and return its bytes, or None; it is on the disk then."""
        from seamless import CacheMissError, Checksum

        try:
            buffer = Checksum(checksum).resolve()
        except CacheMissError:
            return None
        asyncio.run(buffer.write())
        return len(buffer)


def is_checksum(value: object) -> TypeGuard[str]:
    """Whether a value is a text of 64 lower-case hexadecimal digits."""
    return isinstance(value, str) and _CHECKSUM.fullmatch(value) is not None


def input_checksums(content: bytes, result: str, read_buffer: ReadBuffer) -> Iterator[str]:
    """Yield the checksums in the buffer of a transformation, and in its deep inputs and result."""
    definition = as_object(content.decode(errors="replace")) or {}
    for value in definition.values():
        parts = value if isinstance(value, list) else [value]
        for part in parts:
            if is_checksum(part):
                yield part
                if _is_deep(parts[0]):
                    yield from _checksums_held(part, read_buffer)
    # a list: the name of the result, its cell type, …
    output = definition.get("__output__")
    if isinstance(output, list) and len(output) > 1 and _is_deep(output[1]):
        yield from _checksums_held(result, read_buffer)


def _is_deep(celltype: object) -> bool:
    return isinstance(celltype, str) and celltype in _DEEP


def _checksums_held(checksum: str, read_buffer: ReadBuffer) -> Iterator[str]:
    for digits in _CHECKSUM_IN_JSON.findall(read_buffer(checksum) or b""):
        yield digits.decode()
