"""Serializes and deserializes mixed values, and selects one of the three formats."""

from __future__ import annotations

from typing import Any

import numpy as np

from seamless.checksum.lossy_values import (
    warn_of_array,
    warn_of_bytes,
    warn_of_loss,
)
from seamless.checksum.python_json import read_json
from seamless.checksum.utf8_text import decode_text
from seamless.errors import BufferFormatError
from seamless.util.deep_call import NestingError, deep_call
from seamless.util.mixed.format import MAGIC_NUMPY, MAGIC_SEAMLESS_MIXED
from seamless.util.mixed.get_form import binary_form
from seamless.util.mixed.npy import read_npy, write_npy
from seamless.util.mixed.read_container import read_container
from seamless.util.mixed.write_container import write_container
from seamless.util.mixed.write_json import HasBinary, write_json


def serialize(value: Any) -> bytes:
    """Write a mixed value: an array as `.npy`, other values as JSON or as a container.

    Raises
    ------
    TypeError, ValueError
        For a value that a mixed buffer can't hold.
    """
    if isinstance(value, (np.ndarray, np.void, bytes)):
        if isinstance(value, bytes):
            warn_of_bytes(value)
        elif type(value) is not np.ndarray:
            warn_of_array(value)
        return serialize_binary(value)
    try:
        return write_json(value)
    except HasBinary:
        return write_container(value)


def serialize_binary(value: np.ndarray[Any, Any] | np.void | bytes) -> bytes:
    """Write an array, a record or bytes as `.npy`.

    Raises
    ------
    TypeError
        For an array of a type that has no form.
    """
    if isinstance(value, np.ndarray) and value.dtype.kind == "U":
        return _first_of_unicode(np.asarray(value))  # matrices have other items
    binary_form(value)
    return write_npy(np.asarray(value))


def _first_of_unicode(array: np.ndarray[Any, Any]) -> bytes:
    """Write the first item of a unicode array, with a warning.

    Such arrays have always been written so, and checksums of these bytes exist.
    """
    if not array.dtype.isnative or array.size == 0:
        raise TypeError(
            f"an array of dtype {array.dtype} and shape {array.shape} can't be stored; "
            "store array.tolist() as plain or mixed"
        )
    warn_of_loss(
        f"only the first item of a unicode array of shape {array.shape} is stored; "
        "store array.tolist() as plain or mixed, or encode it to a bytes array"
    )
    if array.ndim > 0:
        return write_json(array[0].tolist())
    if not str(array):
        raise TypeError("an empty text can't be stored as an array; store it as str or text")
    return write_json(str(array)[0])


def deserialize(content: bytes) -> Any:
    """Read a mixed value; text that is not JSON is read as an array of bytes.

    Raises
    ------
    BufferFormatError
        When an array or a container is damaged.
    NotTextError
        When the content has none of the three formats and is not UTF-8.
    """
    if content.startswith(MAGIC_NUMPY):
        array = read_npy(content)
        # an array without dimensions is returned as a scalar; bytes would lose their final NULs
        return array[()] if array.ndim == 0 and array.dtype.kind != "S" else array
    if content.startswith(MAGIC_SEAMLESS_MIXED):
        return _read_container(content)
    text = decode_text(content)
    try:
        return read_json(text)
    except ValueError:  # every text is a valid array of bytes
        return np.array(content)


def _read_container(content: bytes) -> Any:
    try:
        return deep_call(read_container, content)
    except NestingError:
        raise BufferFormatError("a mixed buffer is nested too deeply to be read") from None
    except (BufferFormatError, UnicodeDecodeError):
        raise
    except ValueError as error:
        raise BufferFormatError(f"a mixed buffer has damaged JSON: {error}") from None
