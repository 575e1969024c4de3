"""Bytes → value, through the table of cell types."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from seamless.checksum.celltypes import codec_of

if TYPE_CHECKING:
    from seamless.buffer_class import Buffer
    from seamless.checksum_class import Checksum


def parse(content: bytes, celltype: str) -> Any:
    """Read the bytes of a cell type as a value, which belongs to the caller.

    Raises
    ------
    ValueError
        When the content is damaged, or no value of the cell type.
    TypeError
        When it holds a value of another kind, or the name is no cell type.
    """
    return codec_of(celltype).from_bytes(content)


def parse_buffer_sync(
    buffer: Buffer,
    checksum: Checksum | None,
    celltype: str,
    copy: bool = True,
) -> Any:
    """Read a buffer as a value; `bytes` gives the buffer itself.

    Parameters
    ----------
    buffer
        Its checksum need not be known.
    checksum
        The checksum of the buffer, which does not matter here.
    celltype
        One of the 13 cell types, or an alias of `plain`.
    copy
        Accepted for the sake of callers: the value always belongs to the caller.

    Raises
    ------
    ValueError, TypeError
        As `parse`.
    """
    return buffer if celltype == "bytes" else parse(buffer.content, celltype)


async def parse_buffer(buffer: Buffer, checksum: Checksum, celltype: str, copy: bool = True) -> Any:
    """Do what `parse_buffer_sync` does, in a thread, so that a running loop goes on."""
    import asyncio

    return await asyncio.to_thread(parse_buffer_sync, buffer, checksum, celltype, copy)
