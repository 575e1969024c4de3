"""`serialize`: value → canonical bytes of a cell type, as functions; `Buffer` does the same."""

from __future__ import annotations

from typing import Any

from seamless.buffer_class import Buffer

__all__ = ["serialize", "serialize_sync"]


def serialize_sync(value: Any, celltype: str) -> bytes:
    """Return the content of `Buffer(value, celltype)`."""
    return Buffer(value, celltype).content


async def serialize(value: Any, celltype: str) -> bytes:
    """Do what `serialize_sync` does, in a thread, so that a running event loop continues."""
    import asyncio

    return await asyncio.to_thread(serialize_sync, value, celltype)
