"""The `Buffer` class: bytes with an optional checksum, made from a value or read as a value.

Companion packages replace `get_buffer_cache` in this module and methods of the class at run time,
so the cache is looked up through the module global at each call. This module also connects the
cache to the upload queue.
"""

from __future__ import annotations

import functools
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Literal, overload

from seamless.caching import buffer_cache, buffer_writer
from seamless.caching.buffer_cache import get_buffer_cache
from seamless.checksum_class import Checksum

if TYPE_CHECKING:
    import os

    from numpy.typing import NDArray

    from seamless.caching.references import TempRef
    from seamless.checksum.celltypes import BufferType, CellType, TextType
    from seamless.checksum.celltypes.codec import Codec


class Buffer:
    """Immutable bytes; their SHA-256 is computed on request.

    Equal to another `Buffer` with the same content; its length is that of the content, so an
    empty buffer is false. Copies and pickles include a known checksum; unpickling does not
    register the buffer in the cache.

    Parameters
    ----------
    value
        Without a cell type: bytes, or another `Buffer`. With one: any value of it.
    celltype
        A cell type, or `deepcell`, `deepfolder`, `folder`, `module`, which are serialized as
        `plain`.
    checksum
        The known checksum of the content. The buffer is registered in the cache at once.
    verify
        If true, `checksum` is compared with the content.

    Warns
    -----
    LossyValueWarning
        For a value of which the cell type stores only a part, so that other values have the same
        checksum; the message says how to store all of it.

    Raises
    ------
    TypeError
        For an unknown cell type, or a value that the cell type can't hold.
    ValueError
        For a value that the cell type can't hold.
    ChecksumMismatchError
        When `verify` finds another checksum.
    """

    __module__ = "seamless"
    __slots__ = ("__weakref__", "_checksum", "_content", "_existing", "_registered")

    _content: bytes
    _checksum: Checksum | None
    _registered: bool
    #: the cached buffer whose bytes this one shares; it lives as long as this one
    _existing: Buffer

    def __init__(
        self,
        value: Any,
        celltype: BufferType | str | None = None,
        *,
        checksum: Checksum | None = None,
        verify: bool = False,
    ) -> None:
        self._checksum = None
        self._registered = False
        # checked inline: most buffers are made from bytes or with a cell type
        if celltype is not None:
            if type(value) not in _BUILT_IN_CLASSES and isinstance(value, _OWN_CLASSES):
                value = _unwrapped(value, celltype)
            try:
                self._content = _codec(celltype).to_bytes(value)
            except (TypeError, ValueError, RecursionError) as error:
                self._content = _retry_or_explain(value, celltype, error)
        else:
            self._content = value if type(value) is bytes else _content_of(value)
        if checksum is not None:
            checksum = Checksum(checksum)
            if verify and (found := sha256(self._content).hexdigest()) != checksum.hex():
                from seamless.errors import ChecksumMismatchError

                raise ChecksumMismatchError(checksum.hex(), found)
            self._checksum = checksum
            self.get_checksum()

    @classmethod
    async def from_async(
        cls,
        value: Any,
        celltype: BufferType | str,
        *,
        use_cache: bool = True,
        checksum: Checksum | None = None,
    ) -> Buffer:
        """Do what the constructor does, in a thread, so that a running event loop continues.

        `use_cache` is deprecated and ignored: serialization uses no cache.
        """
        import asyncio

        return await asyncio.to_thread(cls, value, celltype, checksum=checksum)

    def __getstate__(self) -> tuple[None, dict[str, Any]]:
        # the default form for slots, which older versions can read
        return None, {"_checksum": self._checksum, "_content": self._content}

    def __setstate__(self, state: tuple[None, dict[str, Any]]) -> None:
        self._checksum = state[1]["_checksum"]
        self._content = state[1]["_content"]
        self._registered = False

    # -- content ----------------------------------------------------------------------

    @property
    def content(self) -> bytes:
        """The bytes."""
        return self._content

    def __len__(self) -> int:
        return len(self._content)

    def __str__(self) -> str:
        return str(self._content)

    def __repr__(self) -> str:
        # Text cells store str() of containers, so this text is a byte format.
        known = "" if self._checksum is None else f"checksum {self._checksum}, "
        return f"Seamless Buffer, {known}length {len(self._content)}"

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Buffer):
            return self._content == other._content
        return NotImplemented

    def __hash__(self) -> int:
        return hash(self._content)

    def decode(self) -> str:
        """Return the content as text; raises `UnicodeDecodeError` if it is not UTF-8."""
        return self._content.decode()

    # -- checksum ---------------------------------------------------------------------

    @property
    def checksum(self) -> Checksum:
        """The checksum, if `get_checksum` has computed it; raises `AttributeError` before."""
        if self._checksum is None:
            raise AttributeError("the checksum is not known yet; call get_checksum()")
        return self._checksum

    def get_checksum(self) -> Checksum:
        """Return the SHA-256 of the content; the first call registers the buffer in the cache."""
        checksum = self._checksum
        if checksum is None:
            checksum = _new_object(Checksum)  # the digest needs no validation
            checksum._value = sha256(self._content).digest()
            self._checksum = checksum
        if not self._registered:
            get_buffer_cache().register(checksum, self)
            self._registered = True
        return checksum

    def adopt_content(self, existing: Buffer) -> bool:
        """Share the bytes of a buffer that the cache has, if they are equal; return whether.

        `existing` then lives as long as this buffer.
        """
        if existing is self or existing._content != self._content:
            return False
        self._content = existing._content
        self._existing = existing
        return True

    async def get_checksum_async(self) -> Checksum:
        """Do what `get_checksum` does, in a thread, so that a running event loop continues."""
        if self._checksum is not None:
            return self.get_checksum()
        import asyncio

        return await asyncio.to_thread(self.get_checksum)

    # -- value ------------------------------------------------------------------------

    @overload
    def get_value(self, celltype: TextType) -> str: ...
    @overload
    def get_value(self, celltype: Literal["int"]) -> int: ...
    @overload
    def get_value(self, celltype: Literal["float"]) -> float: ...
    @overload
    def get_value(self, celltype: Literal["bool"]) -> bool: ...
    @overload
    def get_value(self, celltype: Literal["binary"]) -> NDArray[Any]: ...
    @overload
    def get_value(self, celltype: Literal["bytes"]) -> Buffer: ...
    @overload
    def get_value(self, celltype: BufferType | str) -> Any: ...
    def get_value(self, celltype: BufferType | str) -> Any:
        """Read the content as a value of `celltype`.

        The caller may change the value; only an array read as `binary` is a read-only view of the
        content, or a NumPy scalar if it has no dimensions. `bytes` returns this buffer. Bytes
        inside a `mixed` value become arrays without dimensions, whose `tobytes()` returns the
        bytes; `item()` would drop trailing NULs, and empty bytes become one NUL.

        Raises
        ------
        ValueError
            When the content is damaged or contains no such value.
        TypeError
            When it contains a value of another kind, or the cell type is unknown.
        """
        self.get_checksum()
        return self if celltype == "bytes" else _codec(celltype).from_bytes(self._content)

    @overload
    async def get_value_async(self, celltype: TextType, *, copy: bool = ...) -> str: ...
    @overload
    async def get_value_async(self, celltype: Literal["int"], *, copy: bool = ...) -> int: ...
    @overload
    async def get_value_async(self, celltype: Literal["float"], *, copy: bool = ...) -> float: ...
    @overload
    async def get_value_async(self, celltype: Literal["bool"], *, copy: bool = ...) -> bool: ...
    @overload
    async def get_value_async(
        self, celltype: Literal["binary"], *, copy: bool = ...
    ) -> NDArray[Any]: ...
    @overload
    async def get_value_async(self, celltype: Literal["bytes"], *, copy: bool = ...) -> Buffer: ...
    @overload
    async def get_value_async(self, celltype: BufferType | str, *, copy: bool = ...) -> Any: ...
    async def get_value_async(self, celltype: BufferType | str, *, copy: bool = True) -> Any:
        """Do what `get_value` does, in a thread, so that a running event loop continues.

        `copy` is deprecated and ignored: parsed values are never shared.
        """
        import asyncio

        await self.get_checksum_async()
        return await asyncio.to_thread(self.get_value, celltype)

    # -- conversion -------------------------------------------------------------------

    def convert(self, source: CellType | str, target: CellType | str) -> Buffer:
        """Convert the content from one cell type to another.

        Returns this buffer where the bytes stay the same. `seamless.checksum.conversion` has the
        rules, and `classify`, which says what a conversion does without running it.

        Raises
        ------
        ConversionError
            If the conversion is forbidden, or this buffer can't be converted.
        TypeError
            If a name is not a cell type.
        """
        from seamless.checksum.conversion.convert_bytes import convert_bytes

        converted = convert_bytes(self._content, source, target)
        return self if converted == self._content else Buffer(converted)

    async def convert_async(self, source: CellType | str, target: CellType | str) -> Buffer:
        """Do what `convert` does, in a thread, so that a running event loop continues."""
        import asyncio

        return await asyncio.to_thread(self.convert, source, target)

    # -- files ------------------------------------------------------------------------

    @classmethod
    def load(cls, filename: str | os.PathLike[str]) -> Buffer:
        """Read a buffer from a file."""
        with open(filename, "rb") as file:
            return cls(file.read())

    def save(self, filename: str | os.PathLike[str]) -> None:
        """Write the content to a file, atomically."""
        from pathlib import Path

        from seamless.util.atomic_file import write_atomically

        write_atomically(Path(filename), self._content)

    # -- remote -----------------------------------------------------------------------

    async def write(self) -> bool:
        """Send the buffer to the write backends; return whether one of them has it now.

        This is a coroutine: nothing is sent before it is awaited. `write_sync` blocks instead.

        Raises
        ------
        RuntimeError
            After `seamless.close()`.
        """
        return await buffer_writer.write(self)

    def write_sync(self) -> bool:
        """Do what `write` does, blocking; with or without a running event loop, as in notebooks."""
        from seamless import remote
        from seamless.util.run_sync import run_sync

        return run_sync(self.write, at_end=remote.close_sessions_of_this_thread)

    # -- references -------------------------------------------------------------------

    def incref(self, *, scratch: bool = False) -> None:
        """Take a counted reference; see `Checksum.incref`."""
        get_buffer_cache().incref(self.get_checksum(), buffer=self, scratch=scratch)

    def decref(self) -> None:
        """Release one `incref`; see `Checksum.decref`."""
        get_buffer_cache().decref(self.get_checksum())

    def tempref(
        self,
        interest: float = 128.0,
        fade_factor: float = 2.0,
        fade_interval: float = 2.0,
        scratch: bool = False,
    ) -> TempRef:
        """Take a temporary reference; see `Checksum.tempref`."""
        return get_buffer_cache().tempref(
            self.get_checksum(),
            buffer=self,
            interest=interest,
            fade_factor=fade_factor,
            fade_interval=fade_interval,
            scratch=scratch,
        )


_new_object = object.__new__
#: classes that the codecs do not serialize
_OWN_CLASSES = (Buffer, Checksum)
#: classes of most values: a look-up in this set takes half the time of `isinstance`
_BUILT_IN_CLASSES = frozenset({dict, list, tuple, str, int, float, bool, bytes})


def _unwrapped(value: Buffer | Checksum, celltype: str) -> bytes:
    """Return the content of a buffer; it is serialized like other bytes."""
    if isinstance(value, Buffer):
        return value._content
    raise TypeError(
        f"a Checksum is no {celltype} value; store its text (hex()), or resolve it first"
    )


def _upload(buffer: Buffer) -> None:
    """Queue a referenced buffer for the write backends. The function is looked up at each call."""
    buffer_writer.register(buffer)


# This module is imported before any buffer exists, and knows both the cache and the upload queue.
buffer_cache.default_on_store = _upload


def _content_of(value: Any) -> bytes:
    if isinstance(value, Buffer):
        return value._content
    if isinstance(value, bytes):
        return bytes(value)
    raise TypeError(
        f"without a cell type a Buffer is made from bytes or a Buffer, not {type(value).__name__}; "
        "for other values say which cell type, as in Buffer(value, 'mixed')"
    )


# -- imported at first use: an import statement costs as much as serializing a small value -----


@functools.cache
def _codec(celltype: str) -> Codec:
    from seamless.checksum.celltypes import codec_of

    return codec_of(celltype)


def _retry_or_explain(value: Any, celltype: str, error: Exception) -> bytes:
    from seamless.checksum.refusals import retry_or_explain

    return retry_or_explain(value, celltype, _codec(celltype), error)
