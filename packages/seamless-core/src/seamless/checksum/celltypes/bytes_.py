"""`bytes`: the bytes themselves. Other values are stored as their memory or their text."""

from __future__ import annotations

from typing import Any

from seamless.checksum.celltypes.codec import Codec
from seamless.checksum.lossy_values import text_of, warn_of_array


def to_bytes(value: Any) -> bytes:
    """Take bytes as they are, arrays by their data, text and all else without final newlines."""
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

    from seamless.util.mixed.padding import data_bytes

    if value is np.ma.masked:  # has no data, and has always been stored by its text
        return str(value).encode()
    warn_of_array(value)
    # what is masked counts as the fill value, as in NumPy's own tobytes()
    array = value.filled() if isinstance(value, np.ma.MaskedArray) else np.asarray(value)
    if array.dtype.hasobject:
        raise TypeError(
            f"the memory of an array of dtype {array.dtype} is pointers into this process; "
            "store array.tolist() as plain or mixed"
        )
    return bytes(data_bytes(array))


def from_bytes(content: bytes) -> bytes:
    """Return the content."""
    return content


BYTES = Codec(to_bytes, from_bytes, from_bytes)
