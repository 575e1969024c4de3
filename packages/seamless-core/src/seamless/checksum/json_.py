"""Canonical JSON: two-space indent, sorted keys, UTF-8. Read and written with orjson.

The bytes are orjson's, so the installed release is checked before anything is written: releases
before 3.11.7 write `1e16` where the canonical form has `1e+16`, which would change checksums.
Modules that may need no JSON import this one at first use, because importing orjson takes 15 ms.
"""

from __future__ import annotations

import functools
import gc
import io
import sys
from typing import TYPE_CHECKING, Any, TypeVar

import orjson

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Text = TypeVar("Text", bytes, str)

#: values whose text differs between releases of JSON writers, with the canonical text
_REFERENCE_TEXTS: tuple[tuple[float, bytes], ...] = (
    (1e16, b"1e+16"),
    (1e-7, b"1e-7"),
    (1e-5, b"0.00001"),
)
#: orjson's options for canonical JSON
OPTIONS = orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS


@functools.cache
def check_release() -> None:
    """Compare the numbers that the installed orjson writes with the canonical texts, once.

    The functions that write call this; a module that calls orjson itself does so when imported.

    Raises
    ------
    RuntimeError
        When they differ.
    """
    for value, expected in _REFERENCE_TEXTS:
        found = orjson.dumps(value, option=OPTIONS)
        if found != expected:
            raise RuntimeError(
                f"orjson {orjson.__version__} writes {found!r} where the canonical form is "
                f"{expected!r}, so checksums would differ from those of other installations; "
                "install orjson 3.11.7 or newer"
            )


# -- writing ------------------------------------------------------------------------------


def json_dumps_bytes(obj: Any) -> bytes:
    """Write a value as canonical JSON, without a final newline.

    Parameters
    ----------
    obj
        dicts with str keys, lists, tuples, str, int (64 bits), float, bool, None; also the other
        types that orjson writes (dataclasses, enums, dates and times, UUID). NaN and the
        infinities become `null`.

    Raises
    ------
    TypeError
        For any other value.
    """
    check_release()
    try:
        return orjson.dumps(obj, None, OPTIONS)
    except TypeError as error:
        # orjson's error has a misleading cause: that the default function, None, is not callable
        raise error from None


def json_line(obj: Any) -> bytes:
    """Write a value as canonical JSON with a final newline, the form in which cells store it."""
    check_release()
    if is_long(obj):
        return dumps_chunked(obj, lambda chunk: orjson.dumps(chunk, None, OPTIONS))
    # orjson's own result may occupy up to 8 times its length; the sum is a copy of the exact size
    return orjson.dumps(obj, None, OPTIONS) + b"\n"


def json_dumps(obj: Any) -> str:
    """Write a value as canonical JSON text, without a final newline."""
    return json_dumps_bytes(obj).decode()


# -- writing in chunks --------------------------------------------------------------------

CHUNK_ENTRIES = 2000  # a millisecond's work where each entry is a small record
#: types that are written in chunks; subclasses are left to the writer
CHUNKED_TYPES = (dict, list)


def is_long(value: Any) -> bool:
    """Return whether a value has more entries than one chunk."""
    return type(value) in CHUNKED_TYPES and len(value) > CHUNK_ENTRIES


def dumps_chunked(value: list[Any] | dict[Any, Any], dumps: Callable[[Any], bytes]) -> bytes:
    r"""Write a long list or dict chunk by chunk, with a final newline.

    One call for 200,000 records needs more than twice the memory of its result, and blocks all
    other threads until it returns; a call for each chunk does neither.

    Parameters
    ----------
    value
        Not empty. If another thread adds or removes entries between two chunks, the value is
        written again by one call.
    dumps
        Writes JSON with sorted keys, each entry of a list or dict on lines of its own:
        `[\n`, the entries, `\n]`.
    """
    text = io.BytesIO()
    opening, closing = (b"[", b"\n]\n") if isinstance(value, list) else (b"{", b"\n}\n")
    separator = opening
    length = len(value)
    try:
        for chunk in _chunks(value):
            text.write(separator)
            text.write(memoryview(dumps(chunk))[1:-2])
            separator = b","
    except KeyError:
        return dumps(value) + b"\n"
    if len(value) != length:
        return dumps(value) + b"\n"
    text.write(closing)
    return text.getvalue()


def _chunks(value: list[Any] | dict[Any, Any]) -> Iterator[list[Any] | dict[Any, Any]]:
    entries = value if isinstance(value, list) else sorted(value)
    start = 0
    while chunk := entries[start : start + CHUNK_ENTRIES]:
        yield chunk if isinstance(value, list) else {key: value[key] for key in chunk}
        start += CHUNK_ENTRIES


# -- reading ------------------------------------------------------------------------------

#: length of a text from which a collection costs more than a few microseconds
_LARGE_TEXT = 65_536
#: from Python 3.12 on, collections run between bytecode instructions, never inside a C function
_COLLECTS_INSIDE_C = sys.version_info < (3, 12)


def json_loads(content: bytes) -> Any:
    """Read JSON text in UTF-8.

    Integers beyond 64 bits become floats: the value of a `plain` cell has always been read so.

    Raises
    ------
    ValueError
        When the content is not JSON.
    """
    if len(content) < _LARGE_TEXT:  # without the call below, which would take 20 % of the time
        return orjson.loads(content)
    return load_with_gc_paused(orjson.loads, content)


def load_with_gc_paused(loads: Callable[[Text], Any], text: Text) -> Any:
    """Return `loads(text)`; pause the garbage collector if the text is large.

    A reader in C creates thousands of containers and no garbage, but every 700 containers start
    a collection: 200,000 records take 0.33 s with collections and 0.17 s without. Such a reader
    holds the interpreter lock throughout, so no other thread runs while the collector is paused.
    A collector that was disabled before stays disabled.
    """
    if not _COLLECTS_INSIDE_C or len(text) < _LARGE_TEXT or not gc.isenabled():
        return loads(text)
    try:
        gc.disable()
        return loads(text)
    finally:
        gc.enable()
