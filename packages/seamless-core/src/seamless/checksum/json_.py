"""The one canonical JSON form: two-space indent, sorted keys, UTF-8.

The form is orjson's, and since bytes are the contract it is checked once, at the first use:
releases before 3.11.7 write `1e16` where the form has `1e+16`, which would give the same
value another checksum.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from seamless.checksum.gc_pause import read_without_collection
from seamless.checksum.json_parts import MAY_BE_LONG, PART, dumps_chunked

if TYPE_CHECKING:
    from collections.abc import Callable

#: values whose text has differed between releases of JSON writers, with the text that binds
_FORM: tuple[tuple[float, bytes], ...] = ((1e16, b"1e+16"), (1e-7, b"1e-7"), (1e-5, b"0.00001"))


def json_dumps_bytes(obj: Any) -> bytes:
    """Write a value in the canonical JSON form, without a final newline.

    Parameters
    ----------
    obj
        dicts with str keys, lists, tuples, str, int (64 bits), float, bool, None; also what
        orjson writes by itself (dataclasses, enums, dates and times, UUID). NaN and the
        infinities become `null`.

    Raises
    ------
    TypeError
        For any other value.
    """
    dumps, options = _writer()
    try:
        return dumps(obj, None, options)
    except TypeError as error:
        raise error from None  # orjson's cause is that it has no function to ask


def json_line(obj: Any) -> bytes:
    """Do what `json_dumps_bytes` does, with a final newline; cell types are stored so."""
    dumps, options = _writer()
    if type(obj) in MAY_BE_LONG and len(obj) > PART:  # `is_long` without its call
        return dumps_chunked(obj, lambda part: dumps(part, None, options))
    return dumps(obj, None, options) + b"\n"  # a copy: orjson's own holds up to eight times as much


def json_dumps(obj: Any) -> str:
    """Do what `json_dumps_bytes` does, as text."""
    return json_dumps_bytes(obj).decode()


def json_loads(content: bytes) -> Any:
    """Read JSON text in UTF-8.

    Integers beyond 64 bits become floats, as they always did for `plain` cells.

    Raises
    ------
    ValueError
        When the content is no JSON.
    """
    return read_without_collection(_reader(), content)


@functools.cache
def _reader() -> Callable[[bytes], Any]:
    """Import orjson on first use; an import statement costs as much as a small value."""
    import orjson

    return orjson.loads


@functools.cache
def _writer() -> tuple[Callable[..., bytes], int]:
    """Import orjson on first use, and refuse to write with one of another form."""
    import orjson

    options = orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS
    for value, expected in _FORM:
        found = orjson.dumps(value, option=options)
        if found != expected:
            raise RuntimeError(
                f"orjson {orjson.__version__} writes {found!r} where the canonical form is "
                f"{expected!r}, so checksums would differ from everybody else's; "
                "install orjson 3.11.7 or newer"
            )
    return orjson.dumps, options


@functools.cache
def exact_writer() -> tuple[Callable[..., bytes], int]:
    """Return orjson's writer and options with which it asks a default for each subclass."""
    import orjson

    dumps, options = _writer()
    return dumps, options | orjson.OPT_PASSTHROUGH_SUBCLASS
