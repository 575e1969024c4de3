"""Codec of `mixed`: nested dicts and lists that hold arrays, scalars and strings."""

from __future__ import annotations

from typing import Any

from seamless.checksum.celltypes.codec import Codec


def to_bytes(value: Any) -> bytes:
    """Write a mixed value; `seamless.util.mixed.format` describes the bytes."""
    from seamless.util.mixed.io import serialize

    return serialize(value)


def from_bytes(content: bytes) -> Any:
    """Read a mixed value.

    Arrays inside a dict or list may be changed; an array that is itself the value may be a
    read-only view of the content.
    """
    from seamless.util.mixed.io import deserialize

    return deserialize(content)


def _probe(value: Any) -> None:
    from seamless.util.mixed.write_container import check_container

    check_container(value)


MIXED = Codec(to_bytes=to_bytes, from_bytes=from_bytes, check=from_bytes, probe=_probe)
