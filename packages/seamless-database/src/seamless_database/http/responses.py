"""What a request is answered with: status, text and type, and what each error becomes."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, NamedTuple

from seamless_database.errors import DatabaseError, UnknownKeyError

if TYPE_CHECKING:
    from collections.abc import Iterator

#: characters that are encoded at once, and bytes, more or less, that are sent at once
CHUNK_SIZE = 64 * 1024
TEXT = (b"content-type", b"text/plain; charset=utf-8")
JSON = (b"content-type", b"application/json")
_LOG = logging.getLogger(__name__)


class Response(NamedTuple):
    """What a request is answered with."""

    status: int
    text: str
    content_type: tuple[bytes, bytes] = TEXT

    def body(self) -> bytes:
        """Write the text down; what is no UTF-8 is shown by its number."""
        return self.text.encode(errors="backslashreplace")

    def size(self) -> int:
        """Count the bytes of the body; for text that is not ASCII that takes as long as sending."""
        text = self.text
        return len(text) if text.isascii() else sum(len(piece) for piece in self.iter_chunks())

    def iter_chunks(self) -> Iterator[bytes]:
        """Encode a text of any size piece by piece, so that it is in memory once."""
        text = self.text
        for start in range(0, len(text), CHUNK_SIZE):
            yield text[start : start + CHUNK_SIZE].encode(errors="backslashreplace")


OK = Response(200, "OK")
NOT_FOUND = Response(UnknownKeyError.status, "ERROR: Unknown key")


def error_response(error: BaseException) -> Response:
    """Answer an error: ours by its status, and what we did not foresee by 500."""
    if isinstance(error, DatabaseError):
        return Response(error.status, f"ERROR: {error}")
    _LOG.error("a request failed unexpectedly", exc_info=error)
    return Response(500, "ERROR: the server failed on this request; its log says why")
