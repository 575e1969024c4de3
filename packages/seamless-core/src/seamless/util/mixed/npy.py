"""Reads and writes `.npy` files, version 1.0 to 3.0.

The format is defined by NumPy Enhancement Proposal 1 and the docstring of `numpy.lib.format`.
This module writes the header itself, because its length is part of the checksum of every array
and has changed between NumPy releases; it writes that of NumPy 1.24 and newer. It reads the
header itself, because a damaged or malicious file must raise a `ValueError` and nothing else.
"""

from __future__ import annotations

import ast
import functools
import math
import struct
import sys
from typing import Any

import numpy as np

from seamless.errors import BufferFormatError
from seamless.util.deep_call import NestingError, call_in_thread
from seamless.util.mixed.array_data import data_bytes
from seamless.util.mixed.format import MAGIC_NUMPY
from seamless.util.parse_python import parse_python

_FORMAT: Any = np.lib.format  # NumPy before 2.3 has no types for its functions
_ALIGNMENT = 64  # bytes; the data begin at a multiple of it
_GROWTH_DIGITS = 21  # space for the first axis to grow in place: digits of 8 * 2**64 - 1
_MAX_CACHED_HEADER = 1000  # bytes
_MAX_EMPTY_ITEMS = 2**24  # items without bytes take no memory, but time
_MAX_HEADER = 2**20  # bytes; a thousand fields need a twentieth of it

#: major version -> (struct format of the header's length, encoding of the header)
_VERSIONS = {
    1: ("<H", "latin1"),
    2: ("<I", "latin1"),
    3: ("<I", "utf8"),
}


# -- writing ------------------------------------------------------------------------------


def write_npy(array: np.ndarray[Any, Any]) -> bytes:
    """Write an array: in Fortran order if its memory has only that order, else in C order."""
    flags = array.flags
    fortran = bool(flags.f_contiguous and not flags.c_contiguous)
    return b"".join((npy_header(array, fortran=fortran), data_bytes(array, fortran=fortran)))


def npy_header(array: np.ndarray[Any, Any], *, fortran: bool) -> bytes:
    """Write the part of a `.npy` file before the data."""
    descr = _FORMAT.dtype_to_descr(array.dtype)
    text = f"{{'descr': {descr!r}, 'fortran_order': {fortran!r}, 'shape': {array.shape!r}, }}"
    if array.ndim:
        first = array.shape[-1 if fortran else 0]
        text += " " * (_GROWTH_DIGITS - len(repr(first)))
    for version, (size_format, encoding) in _VERSIONS.items():
        try:
            return _pad_header(version, size_format, text.encode(encoding))
        except (UnicodeEncodeError, struct.error):
            continue  # too long or not Latin-1: try the next version
    raise ValueError("the description of the array's dtype is too long for a .npy header")


def _pad_header(version: int, size_format: str, text: bytes) -> bytes:
    start = len(MAGIC_NUMPY) + 2 + struct.calcsize(size_format)
    fill = _ALIGNMENT - (start + len(text) + 1) % _ALIGNMENT
    size = struct.pack(size_format, len(text) + fill + 1)
    return b"".join((MAGIC_NUMPY, bytes((version, 0)), size, text, b" " * fill, b"\n"))


# -- reading ------------------------------------------------------------------------------


def read_npy(content: bytes | memoryview) -> np.ndarray[Any, Any]:
    """Read a `.npy` file; bytes after the data are ignored.

    The result is a read-only view of the content. A structured array is a writable copy, because
    its dtype is aligned, and that of the file may be packed.

    Raises
    ------
    BufferFormatError
        When the content is damaged, or holds Python objects.
    """
    view = memoryview(content)
    dtype, shape, fortran, start = _read_header(view)
    if dtype.hasobject:
        raise BufferFormatError("a .npy buffer of Python objects is never unpickled")
    count = math.prod(shape)
    if dtype.itemsize == 0 and count > _MAX_EMPTY_ITEMS:
        raise BufferFormatError(f"a .npy buffer announces {count} items of no bytes")
    if count * dtype.itemsize > len(view) - start:
        raise BufferFormatError(
            f"a .npy buffer is truncated: {count * dtype.itemsize} bytes of data announced, "
            f"{len(view) - start} there"
        )
    try:
        if dtype.itemsize == 0:
            return _without_bytes(dtype, shape)
        return _laid_out(_flat(view, dtype, count, start), shape, fortran)
    except BufferFormatError:
        raise
    except (ValueError, TypeError) as error:
        raise BufferFormatError(f"a .npy buffer describes an impossible array: {error}") from None


def _without_bytes(dtype: np.dtype[Any], shape: tuple[int, ...]) -> np.ndarray[Any, Any]:
    """Create an array of items without bytes: empty texts, or structures of empty texts."""
    array: np.ndarray[Any, Any] = np.zeros(shape, [("item", aligned_dtype(dtype))])["item"]
    array.flags.writeable = dtype.names is not None  # the same as for arrays of other items
    return array


def _flat(view: memoryview, dtype: np.dtype[Any], count: int, start: int) -> np.ndarray[Any, Any]:
    # frombuffer refuses an empty buffer, also for zero items
    return np.frombuffer(view, dtype, count, start) if count else np.zeros(0, dtype)


def _laid_out(
    flat: np.ndarray[Any, Any], shape: tuple[int, ...], fortran: bool
) -> np.ndarray[Any, Any]:
    _check_texts(flat)
    if flat.dtype.names is not None:
        flat = _aligned(flat)
    else:
        flat.flags.writeable = False
    return flat.reshape(shape[::-1]).transpose() if fortran else flat.reshape(shape)


def _check_texts(array: np.ndarray[Any, Any]) -> None:
    """Refuse text with invalid code points; Python raises an error when it prints such an item."""
    for name in array.dtype.names or ():
        _check_texts(array[name])
    if array.dtype.kind == "U" and array.itemsize:
        codes = np.ascontiguousarray(array).view(f"{array.dtype.str[0]}u4")
        if (codes > sys.maxunicode).any():
            raise BufferFormatError("a .npy buffer has text with invalid code points")


def _aligned(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Copy a structured array to an aligned dtype; whole items if the layout is the same."""
    dtype = aligned_dtype(array.dtype)
    if has_layout_of(array.dtype, dtype):
        relaid: np.ndarray[Any, Any] = array.copy().view(dtype)
        return relaid
    return array.astype(dtype)


def aligned_dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return the aligned dtype with the same fields, at every depth."""
    if dtype.subdtype is not None:
        base, shape = dtype.subdtype
        return np.dtype((aligned_dtype(base), shape))
    if dtype.names is None:
        return dtype
    return np.dtype([(name, aligned_dtype(dtype[name])) for name in dtype.names], align=True)


def has_layout_of(dtype: np.dtype[Any], other: np.dtype[Any]) -> bool:
    """Return whether the items of two dtypes have the same size and the same offsets of fields."""
    return dtype.itemsize == other.itemsize and _offsets(dtype) == _offsets(other)


def _offsets(dtype: np.dtype[Any]) -> Any:
    """Return the offsets and dtypes of all fields, at every depth."""
    if dtype.subdtype is not None:
        return dtype.shape, _offsets(dtype.base)
    if dtype.names is None:
        return dtype.str
    fields = (dtype.fields or {}).items()
    return [(name, offset, _offsets(field)) for name, (field, offset, *_) in fields]


def _read_header(view: memoryview) -> tuple[np.dtype[Any], tuple[int, ...], bool, int]:
    magic = len(MAGIC_NUMPY)
    if not any(view[magic : magic + 1]):
        raise BufferFormatError("a .npy buffer is truncated or has no version")
    # an unknown newer version is read with the layout of the newest known one
    size_format, encoding = _VERSIONS[min(view[magic], max(_VERSIONS))]
    begin = magic + 2 + struct.calcsize(size_format)
    if len(view) < begin:
        raise BufferFormatError("a .npy buffer is truncated inside its header")
    (size,) = struct.unpack(size_format, view[magic + 2 : begin])
    if size > _MAX_HEADER or len(view) < begin + size:
        raise BufferFormatError("a .npy buffer is truncated inside its header, or damaged")
    parse = _parse_header_cached if size < _MAX_CACHED_HEADER else _parse_header
    text = bytes(view[begin : begin + size])
    try:
        return (*parse(text, encoding), begin + size)
    except RecursionError:
        pass
    try:
        return (*call_in_thread(parse, text, encoding), begin + size)
    except NestingError as error:
        raise BufferFormatError(f"a .npy buffer has a damaged header: {error}") from None


def _parse_header(text: bytes, encoding: str) -> tuple[np.dtype[Any], tuple[int, ...], bool]:
    try:
        header = ast.literal_eval(parse_python(text.decode(encoding).strip(), mode="eval"))
        if not isinstance(header, dict) or set(header) != {"descr", "fortran_order", "shape"}:
            raise ValueError("wrong entries")
        shape, fortran = header["shape"], header["fortran_order"]
        if not isinstance(shape, tuple) or not all(type(n) is int and n >= 0 for n in shape):
            raise ValueError(f"shape {shape!r}")
        if not isinstance(fortran, bool):
            raise ValueError(f"fortran_order {fortran!r}")
        dtype = _FORMAT.descr_to_dtype(header["descr"])
    # a malformed header can make the parser or NumPy raise any of these; if warnings are errors,
    # a deprecated dtype raises a Warning
    except (ValueError, TypeError, SyntaxError, KeyError, IndexError, AttributeError,
            MemoryError, OverflowError, Warning) as error:  # fmt: skip
        raise BufferFormatError(f"a .npy buffer has a damaged header: {error}") from None
    return dtype, shape, fortran


#: Many arrays have equal headers: reading a small array takes 7 µs instead of 22 µs. The cached
#: dtypes are shared between arrays; structured dtypes are copied when they are aligned.
_parse_header_cached = functools.lru_cache(maxsize=256)(_parse_header)
