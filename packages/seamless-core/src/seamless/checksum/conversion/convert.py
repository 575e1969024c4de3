"""`convert`: converts bytes, a `Buffer`, or the buffer of a `Checksum`; returns the same kind.

`convert_bytes` does the conversion. The methods of the two classes call `is_unchanged` first,
which avoids fetching a buffer whose bytes stay the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from seamless.checksum.conversion.convert_bytes import convert_bytes, refuse_forbidden
from seamless.checksum.conversion.matrix import Conversion, classify
from seamless.checksum.conversion.routes import route
from seamless.errors import ConversionError

if TYPE_CHECKING:
    from seamless.util.hex_digest import HexDigest

__all__ = ["BufferFacts", "convert", "convert_async", "is_unchanged"]


class BufferFacts(Protocol):
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
    content: Content, source: str, target: str, *, info: BufferFacts | None = None
) -> Content:
    """Convert from one cell type to another: bytes to bytes, Buffer to Buffer, Checksum likewise.

    `convert_bytes` says what the new bytes are. Where they stay the same, the object that came in
    is returned. Of a checksum,

    - a *trivial* conversion never fetches the buffer, whether or not it can be found;
    - a *reinterpret* one fetches it to check it, unless `info` has the answer;
    - the others fetch it, and hold the new buffer by a tempref, so that the new checksum
      resolves; as for any tempref, the buffer is also written to the write backends, unless the
      source is marked as scratch. `info` never replaces the computation of the new buffer.

    Parameters
    ----------
    content
        A valid buffer of the source: its bytes, a `Buffer`, or a `Checksum`.
    source, target
        Two of the 13 cell types.
    info
        Known properties of the buffer, used where `content` is a checksum.

    Raises
    ------
    ConversionError
        If the conversion is forbidden, or this buffer can't be converted.
    CacheMissError
        If the buffer of a checksum is needed and not found.
    ValueError
        If `info` describes another buffer.
    TypeError
        If `content` is of another type, or a name is no cell type.
    """
    if isinstance(content, bytes):
        converted: Any = convert_bytes(content, source, target)
        return converted  # type: ignore[no-any-return]
    return _method(content, "convert")(source, target, info=info)  # type: ignore[no-any-return]


async def convert_async(
    content: Content, source: str, target: str, *, info: BufferFacts | None = None
) -> Content:
    """Do what `convert` does; a running event loop continues meanwhile."""
    if isinstance(content, bytes):
        import asyncio

        converted: Any = await asyncio.to_thread(convert_bytes, content, source, target)
        return converted  # type: ignore[no-any-return]
    method = _method(content, "convert_async", "conversion")
    return await method(source, target, info=info)  # type: ignore[no-any-return]


def _method(content: Any, *names: str) -> Any:
    for name in names:
        if hasattr(content, name):
            return getattr(content, name)
    raise TypeError(
        f"a conversion takes bytes, a Buffer or a Checksum, not {type(content).__name__}"
    )


def is_unchanged(
    checksum: HexDigest, source: str, target: str, info: BufferFacts | None = None
) -> bool:
    """Return whether a conversion is known to keep the bytes, without reading them.

    Raises
    ------
    ConversionError
        If the conversion is forbidden, or `info` proves that it fails.
    ValueError
        If `info` describes another buffer.
    TypeError
        If a name is no cell type.
    """
    refuse_forbidden(source, target)
    if classify(source, target) is Conversion.TRIVIAL:
        return True
    if info is None:
        return False
    if info.checksum != checksum:
        raise ValueError(f"the facts are about {info.checksum}, not about {checksum}")
    return _facts_prove_unchanged(info, source, target)


def _facts_prove_unchanged(info: BufferFacts, source: str, target: str) -> bool:
    proved = True
    for step in route(source, target):
        outcome = info.predict(*step)
        if outcome is False:
            raise ConversionError(
                f"buffer {info.checksum} has no {target}, by what is known of it",
                source=source,
                target=target,
            )
        if not classify(*step).keeps_checksum:
            return False  # nothing is known of the result of this step
        proved = proved and outcome is True
    return proved
