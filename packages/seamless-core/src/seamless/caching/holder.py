"""`Holder`: what the cache, the upload queue and the stores need of a `Buffer`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from seamless.util.hex_digest import HexDigest

__all__ = ["Holder"]


class Holder(Protocol):
    """An object that holds bytes: a `Buffer`. It must be weakly referenceable."""

    def __len__(self) -> int: ...

    @property
    def content(self) -> bytes:
        """The bytes."""
        ...

    def get_checksum(self) -> HexDigest:
        """Return the SHA-256 of the bytes."""
        ...

    async def get_checksum_async(self) -> HexDigest:
        """Do what `get_checksum` does, without blocking a running event loop."""
        ...

    def adopt_content(self, existing: Any) -> bool:
        """Share the bytes of an existing holder if they are equal; return whether they are."""
        ...
