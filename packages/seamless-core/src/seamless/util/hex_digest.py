"""`HexDigest`: a SHA-256 as a value. `Checksum` adds resolving and reference counting.

The modules below `Checksum` test for this class, so that they do not depend on `Checksum`.
"""

from __future__ import annotations

TYPE_CHECKING = False  # known to type checkers; importing typing would slow the commands
if TYPE_CHECKING:
    from typing import Any

__all__ = ["HexDigest"]

DIGEST_SIZE = 32
_DIGITS = frozenset("0123456789abcdefABCDEF")
_from_hex = bytes.fromhex
#: Characters of a text that an error message shows.
_MAX_SHOWN = 80


class HexDigest:
    """32 bytes, written as 64 hexadecimal digits. Immutable, hashable and ordered.

    Equal to another digest of the same bytes, to these bytes, and to their hexadecimal text in
    either case. Its `repr` is that of its text, since text cells store the `repr` of what is
    inside a container.

    Parameters
    ----------
    value
        Another digest, 64 hexadecimal digits, or the 32 bytes.

    Raises
    ------
    ValueError
        For a string or bytes that are no SHA-256 digest.
    TypeError
        For any other type.
    """

    __slots__ = ("__weakref__", "_value")

    #: the 32 bytes; the buffer cache reads this attribute without a call
    _value: bytes

    def __init__(self, value: HexDigest | str | bytes) -> None:
        if type(value) is str:
            # most checksums are made so; `_parse` would take as long again
            try:
                digest = _from_hex(value)
            except ValueError:
                digest = b""
            if len(digest) == DIGEST_SIZE:
                self._value = digest
                return
        self._value = _parse(value)

    def hex(self) -> str:
        """Return the 64 lower-case hexadecimal digits."""
        return self._value.hex()

    def bytes(self) -> bytes:
        """Return the 32 bytes of the digest."""
        return self._value

    def __str__(self) -> str:
        return self._value.hex()

    def __repr__(self) -> str:
        # The quoted digits: text cells store str() of containers, so this is a byte format.
        return repr(self._value.hex())

    def __hash__(self) -> int:
        return hash(self._value)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, HexDigest):
            return self._value == other._value
        if isinstance(other, str):
            return self._value.hex() == other.lower()
        if isinstance(other, bytes):
            return self._value == other
        return NotImplemented

    def __lt__(self, other: object) -> bool:
        if isinstance(other, HexDigest):
            return self._value < other._value
        if isinstance(other, str):
            return self._value.hex() < other.lower()
        return NotImplemented

    def __gt__(self, other: object) -> bool:
        if isinstance(other, HexDigest):
            return self._value > other._value
        if isinstance(other, str):
            return self._value.hex() > other.lower()
        return NotImplemented


def _parse(value: Any) -> bytes:
    if isinstance(value, str):
        try:
            digest = bytes.fromhex(value)
        except ValueError as error:
            raise _digits_error(value, str(error)) from None
        if len(digest) != DIGEST_SIZE:
            raise _digits_error(value, "")
        return digest
    if isinstance(value, HexDigest):
        return value._value
    if isinstance(value, bytes):
        if len(value) != DIGEST_SIZE:
            raise ValueError(f"a checksum has {DIGEST_SIZE} bytes, not {len(value)}")
        return bytes(value)
    raise TypeError(
        f"a checksum is made from a Checksum, hexadecimal text or bytes, not {type(value).__name__}"
    )


def _digits_error(text: str, error: str) -> ValueError:
    """Return the error for a text that is no checksum; callers expect `fromhex()` in it."""
    digits = "".join(text.split())
    if all(digit in _DIGITS for digit in digits):
        # Python's own message does not say how many digits there are
        error = f"fromhex() found {len(digits)}"
    shown = ascii(text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}...")
    return ValueError(f"a checksum is 64 hexadecimal digits: {error} in {shown}")
