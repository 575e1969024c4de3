"""Checksum arguments: text, bytes, or an object with a method `hex()`."""

from __future__ import annotations

import re
from typing import Protocol, TypeAlias

from seamless_database.errors import RequestError

_DIGITS = re.compile("[0-9a-fA-F]{64}")
#: characters of a wrong value that an error message repeats
_SHOWN = 60


class HasHex(Protocol):
    """An object with a method `hex()`, such as `seamless.Checksum`."""

    def hex(self) -> str:
        """Return the 64 hexadecimal digits of the checksum."""


#: 64 hexadecimal digits, the 32 bytes of the digest, or an object with a method `hex()`
ChecksumLike: TypeAlias = str | bytes | HasHex


def checksum_text(value: object, name: str = "checksum") -> str:
    """Return the 64 lower-case hexadecimal digits of a checksum.

    Parameters
    ----------
    value
        The argument.
    name
        The name of the parameter, for the error message.

    Raises
    ------
    RequestError
        If the argument is no `ChecksumLike`.
    """
    to_hex = getattr(value, "hex", None)
    text = to_hex() if callable(to_hex) else value
    if isinstance(text, str) and _DIGITS.fullmatch(text):
        return text.lower()
    raise RequestError(
        f"{name!r} must be a checksum (64 hexadecimal digits, 32 bytes, or an object with a method "
        f"hex() that returns the digits), not {value!a:.{_SHOWN}}",
        name,
    )
