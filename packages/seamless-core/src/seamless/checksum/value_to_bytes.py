"""`value_to_bytes`: serializes a value by the codec of its cell type.

Nothing is cached between calls: a value that is changed in place and serialized again gives its
new bytes.
"""

from __future__ import annotations

import contextlib
from typing import Any

from seamless.checksum.celltypes import codec_of
from seamless.util.deep_call import NestingError, call_in_thread, deep_call

__all__ = ["value_to_bytes"]


def value_to_bytes(value: Any, celltype: str) -> bytes:
    """Return the canonical bytes of a value.

    Parameters
    ----------
    value
        Any value of the cell type.
    celltype
        A cell type, or an alias of `plain`.

    Raises
    ------
    TypeError
        For a name that is not a cell type, or a value that the cell type can't hold.
    ValueError
        For a value that the cell type can't hold.
    """
    try:
        return codec_of(celltype).to_bytes(value)
    except (TypeError, ValueError, RecursionError) as error:
        return _retry_or_explain(value, celltype, error)


def _retry_or_explain(value: Any, celltype: str, error: Exception) -> bytes:
    """Serialize a refused value with a larger stack, or raise an error that names the part."""
    from seamless.checksum.refusals import refusal

    codec = codec_of(celltype)
    try:
        if isinstance(error, RecursionError):
            return call_in_thread(codec.to_bytes, value)
    except NestingError:
        raise ValueError("the value is nested too deeply, or in itself, to be stored") from None
    except (TypeError, ValueError) as other:
        error = other
    with contextlib.suppress(NestingError):
        raise deep_call(refusal, value, celltype, codec, error) from None
    raise error
