"""The `Checksum` class: the SHA-256 of a buffer, with methods to resolve and reference the buffer.

Companion packages replace methods of this class at run time, so its methods call each other
through `self`, and look the buffer cache up at each call.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, overload

from seamless import worker_role

# Imported here: finalizers call decref when imports are no longer possible.
from seamless.caching import buffer_cache
from seamless.checksum.trivial import trivial_content
from seamless.errors import CacheMissError, ConversionError
from seamless.util.hex_digest import HexDigest

if TYPE_CHECKING:
    import os
    from pathlib import Path

    from numpy.typing import NDArray

    from seamless.buffer_class import Buffer
    from seamless.caching.references import TempRef
    from seamless.checksum.celltypes import BufferType, CellType, TextType
    from seamless.checksum.conversion.convert import BufferProperties

SUFFIX = ".CHECKSUM"
#: Bytes that are read of a checksum file: its digits, and white space.
_MAX_FILE_BYTES = 1024


class Checksum(HexDigest):
    """The SHA-256 of a buffer's bytes, which names that buffer.

    Equal to another `Checksum` of the same digest, and to its hexadecimal text in either
    case. Always true, hashable, ordered by its digits, picklable and immutable. Its repr is
    that of its text, since text cells store the repr of what is inside a container.

    Parameters
    ----------
    value
        A `Checksum`, 64 hexadecimal digits, or the 32 bytes of the digest.

    Raises
    ------
    ValueError
        For a string or bytes that are no SHA-256 digest.
    TypeError
        For any other type.
    """

    __module__ = "seamless"
    __slots__ = ()

    def _repr_pretty_(self, printer: Any, _cycle: bool) -> None:
        """Show the class name in IPython and notebooks, whose users expect no bare text."""
        printer.text(f"Checksum({self._value.hex()!r})")

    # -- files ------------------------------------------------------------------------

    @classmethod
    def load(cls, filename: str | os.PathLike[str]) -> Checksum:
        """Read a checksum from a file; `.CHECKSUM` is added to the name if missing.

        Raises
        ------
        OSError
            When the file can't be read.
        ValueError
            When the file contains no checksum.
        """
        path = _with_suffix(filename)
        with path.open("rb") as file:
            text = file.read(_MAX_FILE_BYTES)  # the file may be of any size
        try:
            return cls(text.decode("ascii").strip())
        except ValueError:
            raise ValueError(f"{path} holds no checksum (64 hexadecimal digits)") from None

    def save(self, filename: str | os.PathLike[str]) -> None:
        """Write the checksum to a file atomically; `.CHECKSUM` is added to the name if missing.

        Raises
        ------
        OSError
            When the file can't be written.
        """
        from seamless.util.atomic_file import write_atomically

        write_atomically(_with_suffix(filename), self.hex().encode() + b"\n")

    # -- resolving --------------------------------------------------------------------

    @overload
    def resolve(self, celltype: None = None) -> Buffer: ...
    @overload
    def resolve(self, celltype: TextType) -> str: ...
    @overload
    def resolve(self, celltype: Literal["int"]) -> int: ...
    @overload
    def resolve(self, celltype: Literal["float"]) -> float: ...
    @overload
    def resolve(self, celltype: Literal["bool"]) -> bool: ...
    @overload
    def resolve(self, celltype: Literal["binary"]) -> NDArray[Any]: ...
    @overload
    def resolve(self, celltype: Literal["bytes"]) -> Buffer: ...
    @overload
    def resolve(self, celltype: BufferType | str) -> Any: ...
    def resolve(self, celltype: BufferType | str | None = None) -> Any:
        """Return the buffer with this checksum, or its value as `Buffer.get_value(celltype)`.

        Searches the buffer cache of this process, then the buffer stores. May be called from any
        thread, also inside a running event loop, which it then blocks.

        Raises
        ------
        CacheMissError
            When the buffer is not found.
        ValueError
            When the buffer contains no value of `celltype`.
        """
        buffer = self._find_cached()
        if buffer is None:
            from seamless import resolution

            buffer = self._make_buffer(resolution.find_content_sync(self))
        return buffer if celltype is None else buffer.get_value(celltype)

    @overload
    async def resolution(self, celltype: None = None) -> Buffer: ...
    @overload
    async def resolution(self, celltype: TextType) -> str: ...
    @overload
    async def resolution(self, celltype: Literal["int"]) -> int: ...
    @overload
    async def resolution(self, celltype: Literal["float"]) -> float: ...
    @overload
    async def resolution(self, celltype: Literal["bool"]) -> bool: ...
    @overload
    async def resolution(self, celltype: Literal["binary"]) -> NDArray[Any]: ...
    @overload
    async def resolution(self, celltype: Literal["bytes"]) -> Buffer: ...
    @overload
    async def resolution(self, celltype: BufferType | str) -> Any: ...
    async def resolution(self, celltype: BufferType | str | None = None) -> Any:
        """Do what `resolve` does, as a coroutine."""
        buffer = self._find_cached()
        if buffer is None:
            from seamless import resolution

            buffer = self._make_buffer(await resolution.find_content(self))
        return buffer if celltype is None else buffer.get_value(celltype)

    def _find_cached(self) -> Buffer | None:
        """Return the buffer from the cache. Trivial buffers resolve without a cache."""
        if trivial_content(self._value) is not None:
            return None
        return buffer_cache.get_buffer_cache().get(self)

    def _make_buffer(self, content: bytes) -> Buffer:
        """Wrap the content of this checksum: here the two value classes depend on each other."""
        from seamless.buffer_class import Buffer

        return Buffer(content, checksum=self)

    @overload
    async def fingertip(self, celltype: None = None) -> Buffer: ...
    @overload
    async def fingertip(self, celltype: TextType) -> str: ...
    @overload
    async def fingertip(self, celltype: Literal["int"]) -> int: ...
    @overload
    async def fingertip(self, celltype: Literal["float"]) -> float: ...
    @overload
    async def fingertip(self, celltype: Literal["bool"]) -> bool: ...
    @overload
    async def fingertip(self, celltype: Literal["binary"]) -> NDArray[Any]: ...
    @overload
    async def fingertip(self, celltype: Literal["bytes"]) -> Buffer: ...
    @overload
    async def fingertip(self, celltype: BufferType | str) -> Any: ...
    async def fingertip(self, celltype: BufferType | str | None = None) -> Any:
        """Resolve the buffer, or recompute it with a transformation that produced it.

        Raises
        ------
        CacheMissError
            When the buffer is not found, and no known transformation produces it again.
        """
        try:
            return await self.resolution(celltype)
        except CacheMissError as miss:
            from seamless import resolution

            return await resolution.recompute(self, miss, lambda: self.resolution(celltype))

    @overload
    def fingertip_sync(self, celltype: None = None) -> Buffer: ...
    @overload
    def fingertip_sync(self, celltype: TextType) -> str: ...
    @overload
    def fingertip_sync(self, celltype: Literal["int"]) -> int: ...
    @overload
    def fingertip_sync(self, celltype: Literal["float"]) -> float: ...
    @overload
    def fingertip_sync(self, celltype: Literal["bool"]) -> bool: ...
    @overload
    def fingertip_sync(self, celltype: Literal["binary"]) -> NDArray[Any]: ...
    @overload
    def fingertip_sync(self, celltype: Literal["bytes"]) -> Buffer: ...
    @overload
    def fingertip_sync(self, celltype: BufferType | str) -> Any: ...
    def fingertip_sync(self, celltype: BufferType | str | None = None) -> Any:
        """Do what `fingertip` does, blocking; with or without a running event loop."""
        try:
            return self.resolve(celltype)
        except CacheMissError as miss:
            from seamless import resolution

            return resolution.recompute_sync(self, miss, lambda: self.resolution(celltype))

    def find(self, verbose: bool = False) -> list[Any] | None:
        """Return the locations of this buffer, or None if none is known.

        Parameters
        ----------
        verbose
            Also return the locations that were searched and do not have it.
        """
        from seamless import resolution

        return resolution.locations(self, verbose=verbose)

    # -- conversion -------------------------------------------------------------------

    def convert(
        self,
        source: CellType | str,
        target: CellType | str,
        *,
        info: BufferProperties | None = None,
    ) -> Checksum:
        """Return the checksum of the buffer converted from one cell type to another.

        The buffer is fetched only if its bytes are needed. A new buffer is held by a tempref;
        see `seamless.checksum.conversion.convert`.

        Parameters
        ----------
        source, target
            Two cell types.
        info
            Known properties of the buffer (`BufferInfo`), which may make fetching it unnecessary.

        Raises
        ------
        ConversionError
            If the conversion is forbidden, or this buffer can't be converted.
        CacheMissError
            If the buffer is needed and not found.
        TypeError
            If a name is not a cell type.
        """
        from seamless import resolution
        from seamless.checksum.conversion.convert import is_unchanged

        if is_unchanged(self, source, target, info):
            return self
        with resolution.expecting(None if info is None else info.length):
            buffer = self.resolve()
        return self._convert_buffer(buffer, source, target)

    async def conversion(
        self,
        source: CellType | str,
        target: CellType | str,
        *,
        info: BufferProperties | None = None,
    ) -> Checksum:
        """Do what `convert` does, as a coroutine."""
        import asyncio

        from seamless import resolution
        from seamless.checksum.conversion.convert import is_unchanged

        if is_unchanged(self, source, target, info):
            return self
        with resolution.expecting(None if info is None else info.length):
            buffer = await self.resolution()
        return await asyncio.to_thread(self._convert_buffer, buffer, source, target)

    def _convert_buffer(self, buffer: Buffer, source: str, target: str) -> Checksum:
        try:
            result = buffer.convert(source, target)
        except ConversionError as error:
            raise ConversionError(f"{self}: {error}", source=source, target=target) from None
        if result is buffer:
            return self
        # The result is scratch if its source is: a scratch value must not be uploaded. The cache
        # of a worker is that of its parent, and keeps no scratch marks.
        cache = None if worker_role.is_worker() else buffer_cache.get_buffer_cache()
        result.tempref(scratch=cache is not None and cache.is_scratch_ref(self))
        return result.get_checksum()

    # -- references -------------------------------------------------------------------

    def incref(self, *, scratch: bool = False) -> None:
        """Take a counted reference: the buffer stays in the cache until `decref`.

        Parameters
        ----------
        scratch
            If true, the buffer is not sent to the write backends.
        """
        buffer_cache.get_buffer_cache().incref(self, scratch=scratch)

    def decref(self) -> None:
        """Release one `incref`. Unknown checksums are ignored."""
        buffer_cache.get_buffer_cache().decref(self)

    def tempref(
        self,
        interest: float = 128.0,
        fade_factor: float = 2.0,
        fade_interval: float = 2.0,
        scratch: bool = False,
    ) -> TempRef:
        """Take a temporary reference, whose interest fades; the buffer stays in the cache.

        Parameters
        ----------
        interest
            The interest now: buffers with less interest are evicted first.
        fade_factor
            The interest is divided by this factor every `fade_interval`.
        fade_interval
            In seconds.
        scratch
            If true, the buffer is not sent to the write backends.
        """
        return buffer_cache.get_buffer_cache().tempref(
            self,
            interest=interest,
            fade_factor=fade_factor,
            fade_interval=fade_interval,
            scratch=scratch,
        )


def _with_suffix(filename: str | os.PathLike[str]) -> Path:
    from pathlib import Path

    path = Path(filename)
    return path if path.name.endswith(SUFFIX) else path.with_name(path.name + SUFFIX)
