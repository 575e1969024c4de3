"""`convert`: converts bytes, a `Buffer`, or the buffer of a `Checksum`; returns the same kind.

`convert_bytes` does the conversion. The methods of the two classes call `is_unchanged` first,
which avoids fetching a buffer whose bytes stay the same.
"""

from __future__ import annotations

from typing import Any, Protocol, TypeVar

from seamless.checksum.conversion.convert_bytes import convert_bytes, refuse_forbidden
from seamless.checksum.conversion.matrix import Conversion, classify
from seamless.checksum.conversion.routes import route
from seamless.errors import ConversionError
from seamless.util.hex_digest import HexDigest

__all__ = ["BufferProperties", "convert", "convert_async", "is_unchanged"]


class BufferProperties(Protocol):
    """Known properties of a buffer: a `BufferInfo`."""

    @property
    def checksum(self) -> HexDigest:
        """The SHA-256 of the buffer."""
        ...

    @property
    def length(self) -> int | None:
        """Its size in bytes."""
        ...

    def predict(self, source: str, target: str) -> object:
        """Return True if the bytes stay the same, False if the conversion fails."""
        ...


class _Convertible(Protocol):
    def convert(self, source: str, target: str) -> Any: ...


Content = TypeVar("Content", bound="bytes | _Convertible")


def convert(
    content: Content, source: str, target: str, *, info: BufferProperties | None = None
) -> Content:
    """Convert from one cell type to another: bytes to bytes, Buffer to Buffer, Checksum likewise.

    `convert_bytes` describes the new bytes. If they are the same, the argument itself is returned.
    For a checksum,

    - a *trivial* conversion does not fetch the buffer;
    - a *reinterpret* conversion fetches and validates it, unless `info` determines the outcome;
    - the others fetch it, and hold the new buffer by a tempref, so that the new checksum
      resolves; as for any tempref, the buffer is also written to the write backends, unless the
      source is marked as scratch. `info` never replaces the computation of the new buffer.

    Parameters
    ----------
    content
        A valid buffer of the source: its bytes, a `Buffer`, or a `Checksum`.
    source, target
        Two cell types.
    info
        Known properties of the buffer, used if `content` is a checksum.

    Raises
    ------
    ConversionError
        If the conversion is forbidden, or this buffer can't be converted.
    CacheMissError
        If the buffer of a checksum is needed and not found.
    ValueError
        If `info` describes another buffer.
    TypeError
        If `content` is of another type, or a name is not a cell type.
    """
    given: Any = content  # the checker can't narrow the type variable
    is_checksum = isinstance(given, HexDigest)
    converted: Any
    if isinstance(given, bytes):
        converted = convert_bytes(given, source, target)
    elif is_checksum:
        converted = given.convert(source, target, info=info)
    else:
        _check_type(given)
        converted = given.convert(source, target)
    return converted  # type: ignore[no-any-return]


async def convert_async(
    content: Content, source: str, target: str, *, info: BufferProperties | None = None
) -> Content:
    """Do what `convert` does, without blocking the event loop."""
    given: Any = content
    is_checksum = isinstance(given, HexDigest)
    converted: Any
    if isinstance(given, bytes):
        import asyncio

        converted = await asyncio.to_thread(convert_bytes, given, source, target)
    elif is_checksum:
        converted = await given.conversion(source, target, info=info)
    else:
        _check_type(given)
        converted = await given.convert_async(source, target)
    return converted  # type: ignore[no-any-return]


def _check_type(content: object) -> None:
    if not hasattr(content, "convert_async"):
        raise TypeError(
            f"a conversion takes bytes, a Buffer or a Checksum, not {type(content).__name__}"
        )


def is_unchanged(
    checksum: HexDigest, source: str, target: str, info: BufferProperties | None = None
) -> bool:
    """Return whether a conversion is known to keep the bytes, without reading them.

    Raises
    ------
    ConversionError
        If the conversion is forbidden, or `info` proves that it fails.
    ValueError
        If `info` describes another buffer.
    TypeError
        If a name is not a cell type.
    """
    refuse_forbidden(source, target)
    if classify(source, target) is Conversion.TRIVIAL:
        return True
    if info is None:
        return False
    if info.checksum != checksum:
        raise ValueError(f"info describes the buffer {info.checksum}, not {checksum}")
    return _proves_unchanged(info, source, target)


def _proves_unchanged(info: BufferProperties, source: str, target: str) -> bool:
    proved = True
    for step in route(source, target):
        outcome = info.predict(*step)
        if outcome is False:
            raise ConversionError(
                f"buffer {info.checksum} can't be converted to {target}, by its known properties",
                source=source,
                target=target,
            )
        if not classify(*step).keeps_checksum:
            return False  # nothing is known of the result of this step
        proved = proved and outcome is True
    return proved
