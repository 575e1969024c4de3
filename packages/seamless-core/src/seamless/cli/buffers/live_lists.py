"""Lists of the checksums that are still needed, as `seamless-database-admin live` writes them.

A list is text with one checksum of 64 hexadecimal digits on each line, in any order. Lines that
begin with `#` are comments, of which two have a meaning:

- `# begin: 2026-01-31T12:00:00Z`: when the reading of the database began. Buffers that were written
  later may be needed although the list does not name them. Without this line, the time of
  modification of the file counts, and that of the start for standard input.
- `# end: 3 checksums`: the list is complete, and has as many checksums since its beginning or the
  last such line. So several lists may be joined into one file.
"""

from __future__ import annotations

import os
import re
import stat
import sys
import time
from argparse import ArgumentTypeError
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from seamless.cli.command import CommandError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO


__all__ = ["LiveList", "checksum_argument"]

_DIGITS = 64
_END = re.compile(rb"# end: ([0-9]{1,18}) checksums?\s*")
_BEGIN = re.compile(rb"# begin: (\S+)\s*")
_MAKE_AGAIN = "make the list again, or give --no-end-marker if it is complete"
STANDARD_INPUT = "-"


class LiveList:
    """One list, which is read once.

    Parameters
    ----------
    path
        The file, `-` for standard input.
    require_end
        Whether a list without its last line is an error.
    """

    def __init__(self, path: str, *, require_end: bool) -> None:
        self._path = path
        self._require_end = require_end
        #: when the list was begun, in seconds; known after it has been read
        self.begun = time.time()
        #: checksums that have been read
        self.count = 0

    def digests(self) -> Iterator[bytes]:
        """Yield the digests.

        Raises
        ------
        OSError
            When the file can't be read.
        CommandError
            When a line is malformed or the end is missing.
        """
        with _opened(self._path) as stream:
            status = os.fstat(stream.fileno())
            if stat.S_ISREG(status.st_mode):
                self.begun = min(self.begun, status.st_mtime)
            yield from self._parse(stream)

    def _parse(self, stream: BinaryIO) -> Iterator[bytes]:
        ended, unconfirmed = False, 0
        for number, line in enumerate(stream, 1):
            if not line.endswith(b"\n"):
                raise self._error(number, "the list ends in the middle of a line: make it again")
            if digest := _parse_digest(line.strip()):
                unconfirmed += 1
                self.count += 1
                yield digest
            elif end := _END.fullmatch(line):
                if self._require_end and int(end[1]) != unconfirmed:
                    raise self._error(
                        number,
                        f"the list should have {int(end[1])} checksums before this line, and has "
                        f"{unconfirmed}: {_MAKE_AGAIN}",
                    )
                ended, unconfirmed = True, 0
            elif begin := _BEGIN.fullmatch(line):
                self.begun = min(self.begun, self._time(number, begin[1]))
            elif line.strip() and not line.startswith(b"#"):
                raise self._error(number, "64 hexadecimal digits are expected")
        if self._require_end and (not ended or unconfirmed):
            raise CommandError(
                f"{self._path!r}: the last line '# end: {unconfirmed} checksums' is missing: "
                f"{_MAKE_AGAIN}"
            )

    def _time(self, number: int, text: bytes) -> float:
        try:
            found = datetime.fromisoformat(text.decode().replace("Z", "+00:00"))
        except ValueError:
            raise self._error(number, "the time is not of the form 2026-01-31T12:00:00Z") from None
        return (found if found.tzinfo else found.replace(tzinfo=timezone.utc)).timestamp()

    def _error(self, number: int, reason: str) -> CommandError:
        return CommandError(f"{self._path!r}, line {number}: {reason}")


def _parse_digest(text: bytes) -> bytes | None:
    """Return the digest of 64 hexadecimal digits, or None."""
    try:
        digest = bytes.fromhex(text.decode("ascii"))
    except ValueError:
        return None
    # `fromhex` skips spaces, so the length of the text says little
    return digest if len(digest) * 2 == len(text) == _DIGITS else None


def checksum_argument(text: str) -> bytes:
    """Return the digest that an argument of the command line names."""
    digest = _parse_digest(os.fsencode(text))
    if digest is None:
        raise ArgumentTypeError(f"{text!r}: 64 hexadecimal digits are expected")
    return digest


def _opened(path: str) -> BinaryIO:
    if path != STANDARD_INPUT:
        return open(path, "rb", buffering=1 << 20)
    if sys.stdin is None:  # descriptor 0 may belong to another file
        raise CommandError("standard input is closed")
    return open(0, "rb", buffering=1 << 20, closefd=False)
