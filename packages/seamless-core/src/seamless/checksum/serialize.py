"""Value → canonical bytes, through the table of cell types.

Nothing is remembered between calls: a value that is changed in place and serialized again
gives its new bytes.
"""

from __future__ import annotations

import contextlib
from typing import Any

from seamless.buffer_class import Buffer
from seamless.checksum.celltypes import codec_of
from seamless.checksum_class import Checksum
from seamless.util.deep_call import NestingError, call_in_thread, deep_call

#: what is no value, but stands for one; looked for at once, since most values are neither
_OURS = (Buffer, Checksum)


def serialize_sync(value: Any, celltype: str) -> bytes:
    """Write a value as the canonical bytes of a cell type.

    Parameters
    ----------
    value
        Any value of the cell type; a `Buffer` stands for its bytes.
    celltype
        One of the 13 cell types, or an alias of `plain`.

    Raises
    ------
    TypeError
        For a name that is no cell type, or a value the cell type can't hold.
    ValueError
        For a value the cell type can't hold.
    """
    to_bytes = codec_of(celltype).to_bytes
    if isinstance(value, _OURS):
        value = _content_of(value, celltype)
    try:
        return to_bytes(value)
    except (TypeError, ValueError, RecursionError) as error:
        return _write_again(value, celltype, error)


def _write_again(value: Any, celltype: str, error: Exception) -> bytes:
    """Write a value that has been refused with more stack, or say which part of it is refused."""
    from seamless.checksum.refusals import refusal

    codec = codec_of(celltype)
    try:
        if isinstance(error, RecursionError):
            return call_in_thread(codec.to_bytes, value)
    except NestingError:
        raise ValueError("the value is nested too deeply, or in itself, to be stored") from None
    except (TypeError, ValueError) as other:
        error = other
    with contextlib.suppress(NestingError):
        raise deep_call(refusal, value, celltype, codec, error) from None
    raise error


def _content_of(value: Buffer | Checksum, celltype: str) -> bytes:
    if isinstance(value, Buffer):
        return value.content
    raise TypeError(
        f"a Checksum is no {celltype} value; store its text (hex()), or resolve it first"
    )


async def serialize(value: Any, celltype: str) -> bytes:
    """Do what `serialize_sync` does, in a thread, so that a running loop goes on."""
    import asyncio

    return await asyncio.to_thread(serialize_sync, value, celltype)
