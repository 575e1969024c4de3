"""`compute_buffer_info`: computes the properties of a buffer from its bytes.

Only certain properties are set; the others stay None. All values can be stored as JSON.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from seamless.checksum.buffer_info import BufferInfo
from seamless.checksum.celltypes import rules_of
from seamless.util.mixed.format import MAGIC_NUMPY, MAGIC_SEAMLESS_MIXED

if TYPE_CHECKING:
    import numpy as np

    from seamless.checksum_class import Checksum

_JSON_TYPES = {dict: "dict", list: "list", str: "str", int: "int", float: "float", bool: "bool"}


def compute_buffer_info(
    content: bytes, celltype: str | None = None, checksum: Checksum | str | None = None
) -> BufferInfo:
    """Compute the properties of a buffer from its bytes.

    Parameters
    ----------
    content
        The bytes.
    celltype
        The cell type of the buffer, if known: properties that rarely matter for it are skipped.
        `validate_buffer_info` compares the properties with a cell type.
    checksum
        The checksum of the content, if known; it is not verified. Otherwise it is calculated.
    """
    if checksum is None:
        from seamless.checksum.calculate_checksum import calculate_checksum

        checksum = calculate_checksum(content)
    return BufferInfo(checksum, {"length": len(content), **_format_properties(content, celltype)})


def _format_properties(content: bytes, celltype: str | None) -> dict[str, Any]:
    # neither magic number is valid UTF-8, so such content is not text
    if content.startswith(MAGIC_NUMPY):
        return _array_properties(content)
    if content.startswith(MAGIC_SEAMLESS_MIXED):
        return _container_properties(content)
    properties: dict[str, Any] = {"is_numpy": False, "is_seamless_mixed": False}
    try:
        content.decode()
    except UnicodeDecodeError:
        return {**properties, "is_utf8": False, "is_json": False}
    properties["is_utf8"] = True
    if celltype is not None and not rules_of(celltype).may_be_json:
        return properties  # parsing takes time, and such a buffer is rarely read as JSON
    return {**properties, **_json_properties(content)}


_NO_TEXT = {"is_utf8": False, "is_json": False}


def _array_properties(content: bytes) -> dict[str, Any]:
    from seamless.util.mixed.npy import read_npy

    try:
        array = read_npy(content)
    except ValueError:  # a damaged array
        return {**_NO_TEXT, "is_numpy": False, "is_seamless_mixed": False}
    return {
        **_NO_TEXT,
        "is_numpy": True,
        "dtype": _dtype_text(array.dtype),
        "shape": list(array.shape),
        "is_seamless_mixed": False,
    }


def _dtype_text(dtype: np.dtype[Any]) -> str:
    return str(dtype).removeprefix("|")


def _container_properties(content: bytes) -> dict[str, Any]:
    from seamless.checksum.celltypes import codec_of

    try:
        codec_of("mixed").check(content)
    except ValueError:  # damaged
        return {**_NO_TEXT, "is_numpy": False, "is_seamless_mixed": False}
    return {**_NO_TEXT, "is_numpy": False, "is_seamless_mixed": True}


def _json_properties(content: bytes) -> dict[str, Any]:
    from seamless.checksum.celltypes import codec_of

    try:
        value = codec_of("plain").from_bytes(content)
    except (ValueError, TypeError):
        # `mixed` also reads JSON that `plain` refuses (NaN, lone surrogates): whether such text
        # is JSON depends on the cell type
        return {"is_json": None if _is_loose_json(content) else False}
    return {
        "is_json": True,
        "json_type": _JSON_TYPES.get(type(value)),
        "is_json_numeric_array": _is_numeric_array(value),
        "is_json_numeric_scalar": _is_numeric_scalar(value),
    }


def _is_loose_json(content: bytes) -> bool:
    from seamless.checksum.python_json import read_json

    try:
        read_json(content.decode())
    except ValueError:
        return False
    return True


def _is_numeric_array(value: Any) -> bool | None:
    if not isinstance(value, list):
        return False
    kinds = set(map(type, value))
    # an empty or nested list may be one
    return True if kinds in ({int}, {float}) else None


def _is_numeric_scalar(value: Any) -> bool | None:
    if isinstance(value, (int, float)):
        return True
    # a string may contain a number, and null can be read as a bool
    return False if isinstance(value, (list, dict)) else None
