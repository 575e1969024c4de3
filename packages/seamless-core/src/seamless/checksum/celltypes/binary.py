"""Codec of `binary`: one NumPy array as a `.npy` file; bytes are stored unchanged."""

from __future__ import annotations

from typing import Any

from seamless.checksum.celltypes.codec import Codec
from seamless.checksum.lossy_values import warn_of_array


def to_bytes(value: Any) -> bytes:
    """Write an array, or a value that `numpy.array` converts to one.

    Raises
    ------
    TypeError
        For objects, complex numbers, dates, non-native byte order, packed structures.
    """
    if isinstance(value, bytes):
        return bytes(value)
    import numpy as np

    from seamless.util.mixed.io import serialize_binary

    if type(value) is not np.ndarray:
        warn_of_array(value)
    array = np.asanyarray(value)
    empty_texts = array.dtype.kind == "S" and array.itemsize == 0
    if empty_texts or not (array.flags.c_contiguous or array.flags.f_contiguous):
        # The copy keeps the order of the axes in memory, which the header records. A copy of empty
        # texts has one byte for each of them; these bytes have always been stored.
        array = array.copy(order="K")
    return serialize_binary(array)


def from_bytes(content: bytes) -> Any:
    """Read an array as a read-only view of the content.

    Raises
    ------
    TypeError
        When the content is JSON or a mixed container.
    """
    import numpy as np

    from seamless.util.mixed.io import deserialize

    value = deserialize(content)
    if not isinstance(value, (np.ndarray, np.generic)):
        raise TypeError(f"the buffer holds {type(value).__name__}, not an array; read it as mixed")
    return value


BINARY = Codec(to_bytes=to_bytes, from_bytes=from_bytes, check=from_bytes)
