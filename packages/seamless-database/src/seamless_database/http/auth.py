"""Who may come in: the tokens of a server, what a request shows, and what that allows.

Pure: it decides over headers, and has never seen a socket or a file. A token is kept as its
digest only, so that nothing can print it, and so that all comparisons are of one length.
"""

from __future__ import annotations

import base64
import binascii
import enum
import hashlib
import hmac
import re
from collections.abc import Iterable
from dataclasses import dataclass

from seamless_database.errors import (
    ForbiddenError,
    TokenFileError,
    UnauthorizedError,
)

#: shorter ones could be guessed
SHORTEST = 16
#: what a token may consist of: all of it can stand in a URL as it is
_TOKEN = re.compile("[A-Za-z0-9._~-]+")
_HINT = "use 32 random bytes in hex, as `openssl rand -hex 32` prints them"

Headers = Iterable[tuple[bytes, bytes]]


class Permission(enum.Enum):
    """What a token is for; the values are the words of a token file."""

    READ = "read"
    #: to write includes to read
    WRITE = "write"


@dataclass(frozen=True, slots=True)
class Tokens:
    """The tokens that a server accepts: digest and right of each."""

    known: tuple[tuple[bytes, Permission], ...]

    @classmethod
    def parse(cls, text: str, path: object) -> Tokens:
        """Read the text of a token file; `path` is for the error, which shows no token."""
        found: dict[bytes, Permission] = {}
        for number, line in enumerate(text.splitlines(), start=1):
            words = line.split()
            if not words or words[0].startswith("#"):
                continue
            if reason := _fault(words):
                raise TokenFileError(path, f"line {number} {reason}")
            digest = _digest(words[1].encode())
            if digest in found:
                raise TokenFileError(path, f"line {number} repeats a token; use each once")
            found[digest] = Permission(words[0])
        if not found:
            raise TokenFileError(path, "it holds no token; write lines such as `read TOKEN`")
        return cls(tuple(found.items()))

    def check(self, method: str, headers: Headers) -> None:
        """Let a request pass, or raise what it is refused with."""
        right = self._permission(_shown(headers))
        if method == "PUT" and right is not Permission.WRITE:
            raise ForbiddenError

    def _permission(self, shown: bytes | None) -> Permission:
        if shown is None:
            raise UnauthorizedError(
                "this server wants a token: send it as Bearer, or as the password of Basic, "
                "in the header Authorization"
            )
        digest = _digest(shown)
        right = None
        for known, its_right in self.known:
            # through to the end, whichever it is: how long it takes tells nothing
            if hmac.compare_digest(known, digest):
                right = its_right
        if right is None:
            raise UnauthorizedError("the token is none of those that this server knows")
        return right


def _shown(headers: Headers) -> bytes | None:
    """Find the token that a request shows; None if there is none, or no single one."""
    values = [value for name, value in headers if name == b"authorization"]
    if len(values) != 1:
        return None
    scheme, _, rest = values[0].partition(b" ")
    match scheme.lower():
        case b"bearer":
            return rest.strip()
        case b"basic":
            return _password(rest.strip())
    return None


def _password(credentials: bytes) -> bytes | None:
    try:
        _user, colon, password = base64.b64decode(credentials, validate=True).partition(b":")
    except binascii.Error:
        return None
    return password if colon else None


def _fault(words: list[str]) -> str | None:
    """Say what is wrong with the words of a line, without repeating them."""
    if len(words) != 2 or words[0] not in {right.value for right in Permission}:
        return "is neither `read TOKEN`, nor `write TOKEN`, nor a comment"
    if not _TOKEN.fullmatch(words[1]):
        return f"has a token with other characters than letters, digits and ._~-; {_HINT}"
    if len(words[1]) < SHORTEST:
        return f"has a token of fewer than {SHORTEST} characters; {_HINT}"
    return None


def _digest(token: bytes) -> bytes:
    return hashlib.sha256(token).digest()
