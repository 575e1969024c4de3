"""`str`, `int`, `float` and `bool`: one JSON scalar and a newline.

Writing and reading convert with Python's own `int`, `float`, `bool` and `str`, so `"12"` is
an `int`. A NaN or infinite `float` is stored as `null`, which can't be read back as a number.
"""

from __future__ import annotations

from typing import Any

from seamless.checksum.json_ import json_line
from seamless.checksum.lossy_values import text_of

from . import plain
from .codec import Codec
from .text import as_text


def _scalar(kind: type) -> Codec:
    def to_bytes(value: Any) -> bytes:
        source = as_text(value) if isinstance(value, bytes) else value
        return json_line(kind(source))

    def from_bytes(content: bytes) -> Any:
        return kind(plain.from_bytes(content))

    return Codec(to_bytes, from_bytes, from_bytes)


def _str_to_bytes(value: Any) -> bytes:
    source = value if type(value) in (bool, str) else text_of(value)
    return json_line(source)


def _str_from_bytes(content: bytes) -> str:
    return str(plain.from_bytes(content))


def _int_from_bytes(content: bytes) -> int:
    value = plain.from_bytes(content)
    return value if isinstance(value, bool) else int(value)  # `true` has always stayed a bool


INT = Codec(_scalar(int).to_bytes, _int_from_bytes, _int_from_bytes)
FLOAT = _scalar(float)
BOOL = _scalar(bool)
STR = Codec(_str_to_bytes, _str_from_bytes, _str_from_bytes)
