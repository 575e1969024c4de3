"""Codecs of `str`, `int`, `float` and `bool`: one JSON scalar and a newline.

Writing and reading convert with Python's `int`, `float`, `bool` and `str`, so `"12"` is an
`int`. A NaN or infinite `float` is stored as `null`, which can't be read as a number.
"""

from __future__ import annotations

from typing import Any

import orjson

from seamless.checksum.celltypes import plain  # which checks the release of orjson
from seamless.checksum.celltypes.codec import Codec
from seamless.checksum.celltypes.text import as_text
from seamless.checksum.json_ import OPTIONS
from seamless.checksum.lossy_values import text_of


def _scalar(kind: type) -> Codec:
    def to_bytes(value: Any) -> bytes:
        if type(value) is not kind:
            value = kind(as_text(value) if isinstance(value, bytes) else value)
        return orjson.dumps(value, None, OPTIONS) + b"\n"

    def from_bytes(content: bytes) -> Any:
        return _converted(kind, plain.from_bytes(content))

    return Codec(to_bytes=to_bytes, from_bytes=from_bytes, check=from_bytes)


def _converted(kind: type, value: Any) -> Any:
    """Convert the JSON value of a buffer to the Python type of its cell type.

    Raises
    ------
    TypeError, ValueError
        For a value that does not convert.
    """
    try:
        return kind(value)
    except (TypeError, ValueError) as error:
        name = kind.__name__
        if value is None:
            message = f"the buffer holds null, not {name}"
            if kind is float:
                message += ": a NaN or infinite float is stored so; store it as mixed to keep it"
        elif isinstance(value, str):
            message = f"the buffer holds a text, not {name} ({error}); read it as str"
        else:
            message = f"the buffer holds a {type(value).__name__}, not {name}; read it as plain"
        raise type(error)(message) from None


def _str_to_bytes(value: Any) -> bytes:
    source = value if type(value) in (str, bool) else text_of(value)
    return orjson.dumps(source, None, OPTIONS) + b"\n"


def _str_from_bytes(content: bytes) -> str:
    return str(plain.from_bytes(content))


def _int_from_bytes(content: bytes) -> int:
    value = plain.from_bytes(content)
    # `true` has always been read as a bool
    return value if isinstance(value, bool) else _converted(int, value)


INT = Codec(to_bytes=_scalar(int).to_bytes, from_bytes=_int_from_bytes, check=_int_from_bytes)
FLOAT = _scalar(float)
BOOL = _scalar(bool)
STR = Codec(to_bytes=_str_to_bytes, from_bytes=_str_from_bytes, check=_str_from_bytes)
