"""Mixed values without arrays → indented JSON, byte for byte as Python's own writer has it.

Python writes indented JSON by a generator, item by item. orjson writes nearly the same bytes
twenty times as fast, and where the two differ is known: either orjson refuses the value, or the
difference is mended in its text, or the value is left to Python.
"""

from __future__ import annotations

import functools
import io
import json
import marshal
import re
from typing import Any

import numpy as np
import orjson

from seamless.checksum.json_parts import dumps_chunked, is_long
from seamless.util.mixed.json_value import plain_scalar


class HasBinary(Exception):  # noqa: N818 - no error: it ends the attempt to write JSON
    """A value holds something that JSON can't, perhaps an array."""


class _UsePython(Exception):  # noqa: N818 - no error: it ends the attempt to use orjson
    """A value is one that orjson may write otherwise."""


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
            pass  # and so is written by it as a whole
    return _write_by_python(value)


# -- by Python: the form ------------------------------------------------------------------


def _write_by_python(value: Any) -> bytes:
    text = json.dumps(value, sort_keys=True, indent=2, default=_plain_or_binary)
    return text.encode() + b"\n"


def _plain_or_binary(value: Any) -> Any:
    plain = plain_scalar(value)
    if plain is value:
        raise HasBinary
    return plain


# -- by orjson: the same, sooner ----------------------------------------------------------

_OPTIONS = (
    orjson.OPT_INDENT_2
    | orjson.OPT_SORT_KEYS
    | orjson.OPT_PASSTHROUGH_SUBCLASS
    | orjson.OPT_PASSTHROUGH_DATACLASS
    | orjson.OPT_PASSTHROUGH_DATETIME
)

#: a float of `marshal` whose exponent is all ones, perhaps; shared objects have a flag
_PERHAPS_NOT_FINITE = tuple(
    re.compile(rb"(?s)%b......[\xf0-\xff][\x7f\xff]" % kind) for kind in (b"g", b"\xe7")
)


def _write_by_orjson(value: Any) -> bytes:
    """Write as `_write_by_python` does but the final newline, or give up with `_UsePython`.

    200,000 records of five entries: 0.10 s, where Python takes 1.2 s and five times the memory.

    orjson refuses what is not text as key, integers beyond 64 bits, lone surrogates, and here
    subclasses. It writes enums, UUIDs and fragments of JSON, and NaN as null; `marshal`, which
    writes the built-in types and no subclass of them, tells the one by refusing them and the
    other by the bits of the float.
    """
    try:
        content = orjson.dumps(value, _refuse, _OPTIONS)
        kinds = marshal.dumps(value, 4)
    except orjson.JSONEncodeError as error:
        if isinstance(error.__cause__, HasBinary):
            raise HasBinary from None
        raise _UsePython from None
    except ValueError:
        raise _UsePython from None
    if b"null" in content and _holds_nan(value, kinds):
        raise _UsePython
    del kinds
    return _in_python_form(content)


def _holds_nan(value: Any, kinds: bytes) -> bool:
    """Whether some null in the text of a value stands for a NaN or an infinity."""
    if not any(pattern.search(kinds) for pattern in _PERHAPS_NOT_FINITE):
        return False
    try:
        json.dumps(value, allow_nan=False)
    except ValueError:
        return True
    return False


def _refuse(value: Any) -> Any:
    if isinstance(value, (np.ndarray, np.void, bytes)):
        raise HasBinary
    raise TypeError


#: bytes a block has at least when the text is mended; keeps what is needed beside it small
_BLOCK = 2**20

#: the end of a line is the end of a number here, never of text: that ends in a quotation mark
_SMALL = re.compile(rb"(?m)0\.0000([1-9])([0-9]*)(?=,?$)")
_SMALLER = re.compile(rb"(?m)e-(?=[1-9],?$)")

#: what characters beyond the first plane begin with in UTF-8
_ASTRAL_LEADS = tuple(bytes((lead,)) for lead in range(0xF0, 0xF5))
_ASTRAL = re.compile("[\U00010000-\U0010ffff]+")
_NOT_ASCII = re.compile("[\x7f-\U0010ffff]+")


def _in_python_form(content: bytes) -> bytes:
    """Bring numbers below 0.0001 and what is not ASCII into Python's form, a block at a time."""
    if not _needs_normalising(content):
        return content
    mended = io.BytesIO()
    start = 0
    while start < len(content):
        end = content.find(b"\n", start + _BLOCK) + 1 or len(content)
        mended.write(_normalise(content[start:end]))
        start = end
    return mended.getvalue()


def _needs_normalising(content: bytes) -> bool:
    return (
        not content.isascii()
        or b"\x7f" in content
        or b"0.0000" in content
        or (b"-" in content and b"e-" in content)  # a single byte is found ten times as fast
    )


def _normalise(block: bytes) -> bytes:
    if b"0.0000" in block:
        block = _SMALL.sub(_with_exponent, block)
    if b"e-" in block:
        block = _SMALLER.sub(b"e-0", block)
    return block if block.isascii() and b"\x7f" not in block else _escape(block)


def _with_exponent(found: re.Match[bytes]) -> bytes:
    before = found.string[max(found.start() - 1, 0) : found.start()]
    if before.isdigit():
        return found[0]  # the end of a longer number, as 10.00001
    digit, more = found.groups()
    return b"%b.%be-05" % (digit, more) if more else b"%be-05" % digit


def _escape(block: bytes) -> bytes:
    r"""Replace what is not printable ASCII by `\uXXXX`.

    Python's codec does all but the characters beyond the first plane, and writes `\xe9` where
    JSON has `\u00e9`: in a tenth of the time that one call for each takes. Text that has
    a backslash before an x of its own goes the long way.
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
    """Whether the orjson that is installed writes hard values as Python does; asked once.

    Bytes are the contract, and a release of orjson may bring another form of numbers.
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
