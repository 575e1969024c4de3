"""`parse_buffer`: deserializes the bytes of a buffer by the codec of its cell type."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from seamless.checksum.celltypes import codec_of

if TYPE_CHECKING:
    from seamless.buffer_class import Buffer
    from seamless.checksum_class import Checksum


def parse_buffer_sync(
    buffer: Buffer,
    checksum: Checksum | None,
    celltype: str,
    copy: bool = True,
) -> Any:
    """Read a buffer as a value; `bytes` returns the buffer itself.

    Parameters
    ----------
    buffer
        The buffer; its checksum is not needed.
    checksum
        Ignored.
    celltype
        A cell type, or an alias of `plain`.
    copy
        Deprecated, ignored: the caller may change the value, unless it is an array, which may be
        a read-only view of the buffer.

    Raises
    ------
    ValueError
        When the content is damaged or invalid.
    TypeError
        When it holds a value of another type, or the name is not a cell type.
    """
    return buffer if celltype == "bytes" else codec_of(celltype).from_bytes(buffer.content)


async def parse_buffer(buffer: Buffer, checksum: Checksum, celltype: str, copy: bool = True) -> Any:
    """Do what `parse_buffer_sync` does in a thread, without blocking the event loop."""
    import asyncio

    return await asyncio.to_thread(parse_buffer_sync, buffer, checksum, celltype, copy)
