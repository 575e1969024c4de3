"""What a request is answered with: status, text and type, and what each error becomes."""

from __future__ import annotations

import logging
from typing import NamedTuple

from seamless_database.errors import DatabaseError, UnknownKeyError

#: characters that are written down at once, and bytes, more or less, that are sent at once
PIECE = 256 * 1024
TEXT = (b"content-type", b"text/plain; charset=utf-8")
JSON = (b"content-type", b"application/json")
_LOG = logging.getLogger(__name__)


class Answer(NamedTuple):
    """What a request is answered with."""

    status: int
    text: str
    content_type: tuple[bytes, bytes] = TEXT

    def body(self) -> bytes:
        """Write the text down; what is no UTF-8 is shown by its number."""
        return self.text.encode(errors="backslashreplace")

    def pieces(self) -> list[bytes]:
        """Write a text of any size down; from a thread, it does so without stopping the others."""
        text = self.text
        return [
            text[start : start + PIECE].encode(errors="backslashreplace")
            for start in range(0, len(text), PIECE)
        ]


DONE = Answer(200, "OK")
MISS = Answer(UnknownKeyError.status, "ERROR: Unknown key")


def refusal(error: BaseException) -> Answer:
    """Answer an error: ours by its status, and what we did not foresee by 500."""
    if isinstance(error, DatabaseError):
        return Answer(error.status, f"ERROR: {error}")
    _LOG.error("a request failed unexpectedly", exc_info=error)
    return Answer(500, "ERROR: the server failed on this request; its log says why")
