"""`BufferStore`: the interface of the buffer stores, and `ReadResult`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "CORRUPT",
    "FOUND",
    "IRREGULAR",
    "LOCKED",
    "MISSING",
    "TIMEOUT",
    "TIMEOUT_SECONDS",
    "TOO_LARGE",
    "UNREADABLE",
    "BufferStore",
    "ReadResult",
]

FOUND = "found"
MISSING = "no"
CORRUPT = "wrong content"
TOO_LARGE = "too large"
TIMEOUT = "timeout"
LOCKED = "locked by a writer"
IRREGULAR = "not a regular file"
UNREADABLE = "unreadable"

#: Seconds that a read or write may take by default, in addition to the transfer of its bytes.
TIMEOUT_SECONDS = 60.0


@dataclass(frozen=True)
class ReadResult:
    """The content of a buffer, or None and the outcome that explains why.

    The store has hashed the content: its SHA-256 is the digest that was asked for.
    """

    content: bytes | None
    outcome: str


class BufferStore(Protocol):
    """Stores buffers by their SHA-256 in hexadecimal. All methods block and are thread-safe."""

    #: shown in messages: `directory /x`, or a URL
    name: str
    #: name of the download profile in `caching.cost_model`
    cost_profile: str
    #: how many buffers one call of `write_together` should get, at most
    batch_size: int = 1

    def read(self, digest: str, length: int | None = None) -> ReadResult:
        """Read a buffer; errors become the outcome and are never raised.

        `length` is the known length of the buffer: the store reads no more than that.
        """
        ...

    def locate(self, digest: str) -> tuple[str, str]:
        """Return the outcome that a read would have, without reading, and the path or URL."""
        ...

    def write(self, digest: str, content: bytes) -> None:
        """Store a buffer; when this returns, the store has all of the content."""
        ...

    def write_together(self, buffers: Sequence[tuple[str, bytes]]) -> list[Exception | None]:
        """Store several buffers, as pairs of digest and content; return the error of each."""
        errors: list[Exception | None] = []
        for digest, content in buffers:
            try:
                self.write(digest, content)
                errors.append(None)
            except Exception as error:  # noqa: BLE001 - the other buffers are written
                errors.append(error)
        return errors

    def close(self) -> None:
        """Close the connections; the next use opens new ones."""
        ...

    def reset_after_fork(self) -> None:
        """Leave the connections to the parent process."""
        ...
