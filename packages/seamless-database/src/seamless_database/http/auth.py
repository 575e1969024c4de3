"""Authentication by tokens: the token file, the token of a request, and what it permits.

Only the digest of a token is kept, so that nothing can print a token, and so that all comparisons
are of one length.
"""

from __future__ import annotations

import base64
import binascii
import enum
import hashlib
import hmac
import os
import re
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from seamless_database.errors import (
    ForbiddenError,
    TokenFileError,
    UnauthorizedError,
)

if TYPE_CHECKING:
    from pathlib import Path

#: a shorter token could be guessed
MIN_TOKEN_LENGTH = 16
#: the characters of a token can all stand in a URL unchanged
_TOKEN = re.compile("[A-Za-z0-9._~-]+")
_HINT = "use 32 random bytes in hex, as `openssl rand -hex 32` prints them"
_OTHER_USERS = stat.S_IRWXG | stat.S_IRWXO

Headers = Iterable[tuple[bytes, bytes]]


class Permission(enum.Enum):
    """What a token permits; the values are the words of a token file."""

    READ = "read"
    #: includes reading
    WRITE = "write"


@dataclass(frozen=True, slots=True)
class Tokens:
    """The digest and the permission of each token that a server accepts."""

    known: tuple[tuple[bytes, Permission], ...]

    @classmethod
    def read(cls, path: Path) -> Tokens:
        """Read a token file, which only its owner may be able to access."""
        try:
            with path.open("rb") as file:
                # the mode of the file that is read; the path may name another file by now
                mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
                if mode & _OTHER_USERS:
                    reason = f"its mode {mode:04o} lets others than its owner in; chmod 600 it"
                    raise TokenFileError(path, reason)
                text = file.read().decode()
        except UnicodeDecodeError:
            raise TokenFileError(path, "it is not UTF-8") from None
        except TokenFileError:
            raise
        except OSError as error:
            raise TokenFileError(path, str(error.strerror)) from error
        return cls.parse(text, path)

    @classmethod
    def parse(cls, text: str, path: object) -> Tokens:
        """Parse the text of a token file; errors name `path`, and show no token."""
        found: dict[bytes, Permission] = {}
        for number, line in enumerate(text.splitlines(), start=1):
            words = line.split()
            if not words or words[0].startswith("#"):
                continue
            if reason := _line_error(words):
                raise TokenFileError(path, f"line {number} {reason}")
            digest = _digest(words[1].encode())
            if digest in found:
                raise TokenFileError(path, f"line {number} repeats a token; use each once")
            found[digest] = Permission(words[0])
        if not found:
            raise TokenFileError(path, "it holds no token; write lines such as `read TOKEN`")
        return cls(tuple(found.items()))

    def check(self, method: str, headers: Headers) -> None:
        """Raise an error unless the token of a request permits its method."""
        permission = self._permission(_presented_token(headers))
        if method == "PUT" and permission is not Permission.WRITE:
            raise ForbiddenError

    def _permission(self, token: bytes | None) -> Permission:
        if token is None:
            raise UnauthorizedError(
                "this server wants a token: send it as Bearer, or as the password of Basic, "
                "in the header Authorization"
            )
        digest = _digest(token)
        found = None
        for known, permission in self.known:
            # compare with every token, so that the time does not depend on which one matches
            if hmac.compare_digest(known, digest):
                found = permission
        if found is None:
            raise UnauthorizedError("the token is none of those that this server knows")
        return found


def _presented_token(headers: Headers) -> bytes | None:
    """Return the token of a request; None unless there is exactly one."""
    values = [value for name, value in headers if name == b"authorization"]
    if len(values) != 1:
        return None
    scheme, _, credentials = values[0].partition(b" ")
    match scheme.lower():
        case b"bearer":
            return credentials.strip()
        case b"basic":
            return _password(credentials.strip())
    return None


def _password(credentials: bytes) -> bytes | None:
    try:
        _user, colon, password = base64.b64decode(credentials, validate=True).partition(b":")
    except binascii.Error:
        return None
    return password if colon else None


def _line_error(words: list[str]) -> str | None:
    """Describe what is wrong with a line, without repeating it."""
    if len(words) != 2 or words[0] not in {permission.value for permission in Permission}:
        return "is neither `read TOKEN`, nor `write TOKEN`, nor a comment"
    if not _TOKEN.fullmatch(words[1]):
        return f"has a token with other characters than letters, digits and ._~-; {_HINT}"
    if len(words[1]) < MIN_TOKEN_LENGTH:
        return f"has a token of fewer than {MIN_TOKEN_LENGTH} characters; {_HINT}"
    return None


def _digest(token: bytes) -> bytes:
    return hashlib.sha256(token).digest()
