"""Writes mixed values without arrays as indented JSON, with exactly the bytes of Python's `json`.

Python's `json` writes indented JSON item by item, in a generator. orjson writes nearly the same
bytes twenty times as fast, and its differences are known: orjson refuses the value, or its text
is normalised here, or the value is left to Python's `json`.
"""

from __future__ import annotations

import functools
import io
import json
import marshal
import math
import re
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson

from seamless.checksum.json_ import dumps_chunked, is_long
from seamless.util.hex_digest import HexDigest

if TYPE_CHECKING:
    from collections.abc import Callable


class HasBinary(Exception):  # noqa: N818 - not an error: it ends the attempt to write JSON
    """A value holds something that JSON can't hold, perhaps an array."""


class _UsePython(Exception):  # noqa: N818 - not an error: it ends the attempt to use orjson
    """orjson may write this value differently from Python's `json`."""


def write_json(value: Any) -> bytes:
    """Write a value as JSON with sorted keys, two spaces of indent and a final newline.

    Raises
    ------
    HasBinary
        For a value that JSON can't hold.
    TypeError, ValueError
        For a value that is neither JSON nor a mixed value.
    """
    if _orjson_is_trusted():
        try:
            if is_long(value):
                return dumps_chunked(value, _write_by_orjson)
            return _write_by_orjson(value) + b"\n"
        except _UsePython:
            pass  # Python's json writes the whole value
    return _write_by_python(value)


#: NumPy kind of a scalar -> the Python number that JSON writes for it
_NUMBERS: dict[str, Callable[[Any], int | float]] = {"i": int, "u": int, "f": float}


def plain_scalar(value: Any) -> Any:
    """Convert a checksum to its text and a NumPy number to a Python number; return others as is."""
    if isinstance(value, HexDigest):
        return value.hex()
    if isinstance(value, np.generic) and value.dtype.kind in _NUMBERS:
        return _NUMBERS[value.dtype.kind](value)
    return value


# -- with Python's json: the reference ----------------------------------------------------


def _write_by_python(value: Any) -> bytes:
    text = json.dumps(value, sort_keys=True, indent=2, default=_plain_or_binary)
    return text.encode() + b"\n"


def _plain_or_binary(value: Any) -> Any:
    plain = plain_scalar(value)
    if plain is value:
        raise HasBinary
    return plain


# -- with orjson: the same bytes, faster --------------------------------------------------

_OPTIONS = (
    orjson.OPT_INDENT_2
    | orjson.OPT_SORT_KEYS
    | orjson.OPT_PASSTHROUGH_SUBCLASS
    | orjson.OPT_PASSTHROUGH_DATACLASS
    | orjson.OPT_PASSTHROUGH_DATETIME
)


def _write_by_orjson(value: Any) -> bytes:
    """Write the bytes of `_write_by_python` without the final newline, or raise `_UsePython`.

    200,000 records of five entries take 0.10 s; Python's json takes 1.2 s and five times the
    memory.

    orjson refuses keys that are not text, integers beyond 64 bits, lone surrogates and, with
    these options, subclasses. It writes enums, UUIDs and JSON fragments, which `marshal` refuses:
    marshal takes only the built-in types.
    """
    try:
        content = orjson.dumps(value, _refuse, _OPTIONS)
        marshalled = marshal.dumps(value, _MARSHAL_VERSION)
    except orjson.JSONEncodeError as error:
        if isinstance(error.__cause__, HasBinary):
            raise HasBinary from None
        raise _UsePython from None
    except ValueError:
        raise _UsePython from None
    if b"null" in content and _may_have_non_finite(marshalled) and _has_non_finite(value):
        raise _UsePython
    return _in_python_form(content)


_MARSHAL_VERSION = 4
#: types of the items of JSON values in the output of `marshal`; the highest bit of a type says that
#: the item is referred to later
_MARSHAL_TYPES = bytes(code | bit for code in b"NTFgilaAzZutr()[{0" for bit in (0, 0x80))
#: A float is its type and 8 bytes, of which the last two are these if it is a NaN or infinite.
#: Another type or the end follows. Text and numbers may contain such bytes by chance.
_NON_FINITE = b"(?s)%b.{6}[\xf0-\xff][\x7f\xff](?:[%b]|\\Z)"
# two patterns, because the search for a fixed first byte is ten times as fast
_FLOAT = re.compile(_NON_FINITE % (b"g", re.escape(_MARSHAL_TYPES)))
_SHARED_FLOAT = re.compile(_NON_FINITE % (b"\xe7", re.escape(_MARSHAL_TYPES)))


def _may_have_non_finite(marshalled: bytes) -> bool:
    """Return False only if a marshalled value has no NaN and no infinity."""
    return bool(_FLOAT.search(marshalled) or _SHARED_FLOAT.search(marshalled))


def _has_non_finite(value: Any) -> bool:
    """Return whether a value contains a NaN or an infinity, which orjson writes as `null`."""
    pending: list[Any] = [[value]]
    while pending:
        container = pending.pop()
        for item in container.values() if type(container) is dict else container:
            kind = type(item)
            if kind is float:
                if not math.isfinite(item):
                    return True
            elif kind is dict or kind is list or kind is tuple:
                pending.append(item)
    return False


def _refuse(value: Any) -> Any:
    if isinstance(value, (np.ndarray, np.void, bytes)):
        raise HasBinary
    raise TypeError


#: least size of a block that is normalised at once; bounds the additional memory
_BLOCK_BYTES = 2**20

#: a number stands at the end of its line, before an optional comma; text ends in a quotation mark
_SMALL = re.compile(rb"(?m)0\.0000([1-9])([0-9]*)(?=,?$)")
_SMALLER = re.compile(rb"(?m)e-(?=[1-9],?$)")

#: first bytes in UTF-8 of the characters beyond U+FFFF
_ASTRAL_LEADS = tuple(bytes((lead,)) for lead in range(0xF0, 0xF5))
_ASTRAL = re.compile("[\U00010000-\U0010ffff]+")
_NOT_ASCII = re.compile("[\x7f-\U0010ffff]+")


def _in_python_form(content: bytes) -> bytes:
    """Normalise numbers below 0.0001 and non-ASCII text to Python's form, block by block."""
    if not _needs_normalising(content):
        return content
    normalised = io.BytesIO()
    start = 0
    while start < len(content):
        end = content.find(b"\n", start + _BLOCK_BYTES) + 1 or len(content)
        normalised.write(_normalise(content[start:end]))
        start = end
    return normalised.getvalue()


def _needs_normalising(content: bytes) -> bool:
    return (
        not content.isascii()
        or b"\x7f" in content
        or b"0.0000" in content
        or (b"-" in content and b"e-" in content)  # a search for one byte is ten times as fast
    )


def _normalise(block: bytes) -> bytes:
    if b"0.0000" in block:
        block = _SMALL.sub(_with_exponent, block)
    if b"e-" in block:
        block = _SMALLER.sub(b"e-0", block)
    return block if block.isascii() and b"\x7f" not in block else _escape(block)


def _with_exponent(found: re.Match[bytes]) -> bytes:
    before = found.string[found.start() - 1 : found.start()]  # empty at the start of a block
    if before.isdigit():
        return found[0]  # the end of a longer number, such as 10.00001
    digit, more = found.groups()
    return b"%b.%be-05" % (digit, more) if more else b"%be-05" % digit


def _escape(block: bytes) -> bytes:
    r"""Replace each character that is not printable ASCII by `\uXXXX`.

    Python's `backslashreplace` is ten times as fast as one call for each character. It writes
    `\xe9` where JSON has `\u00e9`, and can't write the characters beyond U+FFFF. If the text
    itself contains a backslash before an x, each character is replaced by a call.
    """
    text = block.decode()
    if b"\\x" in block:
        return _NOT_ASCII.sub(_escaped, text).encode()
    if any(lead in block for lead in _ASTRAL_LEADS):
        text = _ASTRAL.sub(_escaped, text)
    escaped = text.encode("ascii", "backslashreplace")
    return escaped.replace(b"\\x", b"\\u00").replace(b"\x7f", b"\\u007f")


def _escaped(found: re.Match[str]) -> str:
    return json.dumps(found[0])[1:-1]


@functools.cache
def _orjson_is_trusted() -> bool:
    """Return whether the installed orjson writes the edge cases as Python does; checked once.

    A future release of orjson may write numbers in another form, which would change checksums.
    """
    values = _edge_cases()
    try:
        return _write_by_orjson(values) + b"\n" == _write_by_python(values)
    except _UsePython:
        return False


def _edge_cases() -> list[Any]:
    return [
        *(digits * 10.0**n for n in range(-323, 308, 9) for digits in (1.0, -1.5, 1.23456789)),
        *(10.0**n for n in range(-10, 25)), *(2.0**n for n in range(-1074, 1024, 9)),
        *(2.0**n for n in (-44, 53, 63, 64)), -0.0, 5e-324, 2**63, 2**64 - 1, -(2**63),
        "".join(map(chr, range(0x300))), "0.00001", "1e-7", "\u2028\uffff\U0001f600",
        {"\uffff": [], "\U00010000": {}, "a": [[], [{}]], "B": None, "": True},
    ]  # fmt: skip
