"""Converting bytes, a buffer, or what a checksum names: the result is of the same kind.

`evaluate` does the conversion; here is only what needs more than bytes: not fetching a buffer
that nobody has to look at, and keeping the buffer of a new checksum findable.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from seamless import resolution, worker_role
from seamless.buffer_class import Buffer
from seamless.caching import buffer_cache
from seamless.checksum.conversion.convert_bytes import (
    convert_bytes,
    refuse_forbidden,
)
from seamless.checksum.conversion.matrix import Conversion, classify
from seamless.checksum.conversion.routes import route
from seamless.checksum_class import Checksum
from seamless.errors import ConversionError

if TYPE_CHECKING:
    from seamless.checksum.buffer_info import BufferInfo

Content = TypeVar("Content", bytes, Buffer, Checksum)


def convert(
    content: Content, source: str, target: str, *, info: BufferInfo | None = None
) -> Content:
    """Convert from one cell type to another: bytes to bytes, Buffer to Buffer, Checksum likewise.

    What becomes of the bytes is told in `convert_bytes`. Where they stay the same, the very
    object that came in is returned. Of a checksum,

    - a *trivial* conversion never fetches the buffer, whether or not it can be had;
    - a *reinterpret* one fetches it to look at it, unless `info` knows the answer;
    - the others fetch it, and hold the new buffer by a tempref, so that the new checksum
      resolves; as for any tempref, the buffer is also written to the backends, if there are
      any and the source isn't marked as scratch. Its facts never stand in for making it.

    Parameters
    ----------
    content
        A valid buffer of the source: its bytes, itself, or its checksum.
    source, target
        Two of the 13 cell types.
    info
        Facts known of the buffer. They are asked where `content` is a checksum.

    Raises
    ------
    ConversionError
        If the conversion is forbidden, or this buffer can't be converted.
    CacheMissError
        If the buffer of a checksum is wanted and found nowhere.
    ValueError
        If the facts are about another buffer.
    TypeError
        If `content` is of another type, or a name is no cell type.
    """
    if _is_unchanged(content, source, target, info):
        return content
    if isinstance(content, Checksum):
        with resolution.expecting(None if info is None else info.length):
            buffer = content.resolve()
        return _checksum_of_result(content, buffer, source, target)
    return _convert(content, source, target)


async def convert_async(
    content: Content, source: str, target: str, *, info: BufferInfo | None = None
) -> Content:
    """Do what `convert` does; the loop goes on while a buffer is fetched and converted."""
    import asyncio

    if _is_unchanged(content, source, target, info):
        return content
    if isinstance(content, Checksum):
        with resolution.expecting(None if info is None else info.length):
            buffer = await content.resolution()
        return await asyncio.to_thread(_checksum_of_result, content, buffer, source, target)
    return await asyncio.to_thread(_convert, content, source, target)


def _is_unchanged(content: Any, source: str, target: str, info: BufferInfo | None) -> bool:
    """Say whether content can be returned as it is, without a look at any byte."""
    word = classify(source, target)
    if not isinstance(content, (bytes, Buffer, Checksum)):
        raise TypeError(
            f"a conversion takes bytes, a Buffer or a Checksum, not {type(content).__name__}"
        )
    refuse_forbidden(source, target)
    if word is Conversion.TRIVIAL or info is None or not isinstance(content, Checksum):
        return word is Conversion.TRIVIAL
    if info.checksum != content:
        raise ValueError(f"the facts are about {info.checksum}, not about {content}")
    return _predict(info, source, target)


def _predict(info: BufferInfo, source: str, target: str) -> bool:
    """Say whether the facts prove that the bytes stay; raise if they prove that it fails."""
    from seamless.checksum.buffer_info import convert_from_buffer_info

    proved = True
    for step in route(source, target):
        answer = convert_from_buffer_info(info, *step)
        if answer is False:
            raise ConversionError(
                f"buffer {info.checksum} has no {target}, by what is known of it",
                source=source,
                target=target,
            )
        if not classify(*step).keeps_checksum:
            return False  # the facts say nothing of what comes out of this step
        proved = proved and answer is True
    return proved


Present = TypeVar("Present", bytes, Buffer)


def _convert(content: Present, source: str, target: str) -> Present:
    if isinstance(content, bytes):
        return convert_bytes(content, source, target)
    converted = convert_bytes(content.content, source, target)
    return content if converted == content.content else Buffer(converted)


def _checksum_of_result(checksum: Checksum, buffer: Buffer, source: str, target: str) -> Checksum:
    try:
        result = _convert(buffer, source, target)
    except ConversionError as error:
        raise ConversionError(f"{checksum}: {error}", source=source, target=target) from None
    if result is buffer:
        return checksum
    # a tempref marks: it must neither send out a scratch value's data nor hide other data
    result.tempref(scratch=_is_scratch(checksum))
    return result.get_checksum()


def _is_scratch(checksum: Checksum) -> bool:
    # A worker asks its parent for everything, and its stand-in for a cache knows no marks.
    if worker_role.is_worker():
        return False
    return buffer_cache.get_buffer_cache().is_scratch_ref(checksum)
