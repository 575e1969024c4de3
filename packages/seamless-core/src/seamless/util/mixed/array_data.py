"""`data_bytes`: the data of an array as bytes, item after item, with padding zeroed.

Padding is the bytes of an item that carry no information: the gaps between the fields of an
aligned structure, and the unused bytes of x86 extended precision numbers. NumPy does not initialise
them: stored unchanged, they would give equal values different checksums, and leak memory of this
process into files.
"""

from __future__ import annotations

import functools
import math
from typing import Any, Literal

import numpy as np

#: NumPy's type codes of `longdouble` and `clongdouble`, the numbers that may have unused bytes
_LONG_DOUBLE_CODES = "gG"
#: The format of a `longdouble` differs between platforms. Only that of the x87 unit (in x86
#: processors) has 63 bits of fraction. A number takes 10 bytes: sign, exponent, and a mantissa of
#: 64 bits. The item has 12 or 16 bytes, whose last ones are unused.
_X87_FRACTION_BITS = 63
_X87_BYTES = 10


def data_bytes(array: np.ndarray[Any, Any], *, fortran: bool = False) -> memoryview | bytes:
    """Return the data of an array as bytes, item after item, with padding zeroed.

    Parameters
    ----------
    array
        Any shape and strides; not of objects.
    fortran
        If true the first axis varies fastest, else the last.

    Returns
    -------
        A view of the array's memory if possible, else a copy.
    """
    if array.size == 0 or array.itemsize == 0:
        return b""
    mask = padding_mask(array.dtype)
    order: Literal["F", "C"] = "F" if fortran else "C"
    if mask is None:
        return array.ravel(order).view(np.uint8).data
    raw = array.flatten(order).view(np.uint8)  # always a copy, unlike ravel
    raw.reshape(-1, array.itemsize)[:, mask] = 0
    return raw.data


@functools.lru_cache(maxsize=256)
def padding_mask(dtype: np.dtype[Any]) -> np.ndarray[Any, Any] | None:
    """Return which bytes of one item are padding, as booleans; None if there are none."""
    if dtype.names is None and dtype.subdtype is None and dtype.char not in _LONG_DOUBLE_CODES:
        # no mask is made to find this out: one item may have a hundred megabytes
        return None
    mask = _mask(dtype)
    return mask if mask.any() else None


def _mask(dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
    if dtype.subdtype is not None:
        base, shape = dtype.subdtype
        return np.tile(_mask(base), math.prod(shape))
    if dtype.names is None:
        return _scalar_mask(dtype)
    mask = np.ones(dtype.itemsize, bool)
    for field, offset, *_ in (dtype.fields or {}).values():
        mask[offset : offset + field.itemsize] = _mask(field)
    return mask


def _scalar_mask(dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
    mask = np.zeros(dtype.itemsize, bool)
    if dtype.char in _LONG_DOUBLE_CODES and _has_x87_format():
        size = np.dtype(np.longdouble).itemsize
        mask.reshape(-1, size)[:, _X87_BYTES:] = True
    return mask


def _has_x87_format() -> bool:
    return bool(np.finfo(np.longdouble).nmant == _X87_FRACTION_BITS)
