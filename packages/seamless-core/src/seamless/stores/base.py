"""What every place that keeps buffers can do, and what it answers when asked for one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from seamless.checksum_class import Checksum

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

#: Seconds that a read or write may take by default, beyond what its bytes take.
TIMEOUT_SECONDS = 60.0


@dataclass(frozen=True)
class ReadResult:
    """The content that a place has under a checksum, or in a few words why there is none.

    Content has been hashed: it is what the checksum names.
    """

    content: bytes | None
    outcome: str


class BufferStore(Protocol):
    """A place that keeps buffers. All methods block, and are safe from any thread."""

    #: as it is shown to people: `directory /x`, or a URL
    name: str
    #: what it costs to have a buffer from here, by its name in `caching.cost_book`
    cost_profile: str

    def read(self, checksum: Checksum, length: int | None = None) -> ReadResult:
        """Ask for a buffer; whatever goes wrong is told as the outcome, never raised.

        `length` is that of the buffer, where it is known: nothing longer is read.
        """
        ...

    def locate(self, checksum: Checksum) -> tuple[str, str]:
        """Tell how it stands with a buffer (`found`, `no`, …), and where it would be."""
        ...

    def write(self, checksum: Checksum, content: bytes) -> None:
        """Store a buffer: when this returns, the place has it, whole and right."""
        ...

    def close(self) -> None:
        """Give up connections; the next use makes new ones."""
        ...

    def reset_after_fork(self) -> None:
        """Leave the connections to the parent process."""
        ...
