"""Codec of `bytes`: the bytes themselves. Other values are stored as their memory or their text."""

from __future__ import annotations

from typing import Any

from seamless.checksum.celltypes.codec import Codec
from seamless.checksum.lossy_values import text_of, warn_of_array


def to_bytes(value: Any) -> bytes:
    """Return bytes unchanged, the data of an array, or the text of any other value.

    Newlines at the end of a text are removed.
    """
    if isinstance(value, bytes):
        return bytes(value)
    if hasattr(value, "tobytes"):
        return _memory(value)
    return text_of(value).rstrip("\n").encode()


def _memory(value: Any) -> bytes:
    if not hasattr(value, "dtype"):
        raw: bytes = value.tobytes()
        return raw
    import numpy as np

    from seamless.util.mixed.array_data import data_bytes

    if value is np.ma.masked:  # it has no data; its text has always been stored
        return str(value).encode()
    warn_of_array(value)
    # masked items are stored as the fill value, as by NumPy's own tobytes()
    array = value.filled() if isinstance(value, np.ma.MaskedArray) else np.asarray(value)
    if array.dtype.hasobject:
        raise TypeError(
            f"the memory of an array of dtype {array.dtype} holds pointers into this process; "
            "store array.tolist() as plain or mixed"
        )
    return bytes(data_bytes(array))


def from_bytes(content: bytes) -> bytes:
    """Return the content."""
    return content


BYTES = Codec(to_bytes=to_bytes, from_bytes=from_bytes, check=from_bytes)
