"""Decodes UTF-8; the error for other bytes says what they are and how to read them."""

from __future__ import annotations

from seamless.checksum.refusals import value_path
from seamless.errors import NotTextError
from seamless.util.mixed.format import MAGIC_NUMPY, MAGIC_SEAMLESS_MIXED

_ARRAY = "the buffer holds a NumPy array, not text; read it as binary or mixed"


def decode_text(content: bytes) -> str:
    """Decode UTF-8.

    Raises
    ------
    NotTextError
        For an array, a mixed container, and other bytes that are not UTF-8.
    """
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        start, end = error.start, error.end
    raise NotTextError("utf-8", content, start, end, _reason(content, start)) from None


def _reason(content: bytes, start: int) -> str:
    if content.startswith(MAGIC_NUMPY):
        return _ARRAY
    if not content.startswith(MAGIC_SEAMLESS_MIXED):
        return (
            f"the buffer is not UTF-8 text: byte 0x{content[start]:02x} at position {start} "
            "can't be decoded; read it as bytes"
        )
    from seamless.util.mixed.read_form import first_array_path

    path = first_array_path(content)
    where = "somewhere" if path is None else f"at {value_path(path)}"
    return (
        f"the buffer holds a mixed value with an array {where}, not text; read it as mixed, and "
        "store array.tolist() in place of arrays if it has to be plain"
    )
