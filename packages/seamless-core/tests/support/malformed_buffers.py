"""Malformed buffers: each of them has crashed a reader or leaked memory."""

from __future__ import annotations

import json
import struct
from typing import Any

from seamless.util.mixed.format import MAGIC_NUMPY, MAGIC_SEAMLESS, MAGIC_SEAMLESS_MIXED

INTEGER: dict[str, Any] = {"type": "integer", "bytesize": 4, "unsigned": False}


def container(form: Any, data: Any, binary: bytes = b"", storage: bytes = b"mixed-plain") -> bytes:
    """Return a container with these parts and consistent sizes."""
    head, text = json.dumps(form).encode(), json.dumps(data).encode()
    parts = [MAGIC_SEAMLESS_MIXED, bytes([len(storage)]), storage]
    parts += [struct.pack("<I", len(head)), head, MAGIC_SEAMLESS]
    parts += [struct.pack("<QQ", len(text), len(binary)), text, binary]
    return b"".join(parts)


def leaf(**entries: Any) -> dict[str, Any]:
    """Return the form of an array of two integers, 8 bytes, with some entries replaced."""
    form = {"type": "array", "items": INTEGER, "identical": True, "shape": [2]}
    return {**form, "contiguous": True, "storage": "pure-binary", **entries}


def record(fields: dict[str, Any], order: list[str], size: int) -> dict[str, Any]:
    """Return the form of a structure."""
    form = {"type": "object", "properties": fields, "order": order, "bytesize": size}
    return {**form, "storage": "pure-binary"}


def holding(form: Any, offsets: list[Any], size: int) -> bytes:
    """Return a container with one array under the key `a`, and `size` bytes of data."""
    whole = {"type": "object", "properties": {"a": form}}
    return container(whole, [offsets, {"a": 0}], b"\x41" * size)


def npy(header: str, data: bytes = bytes(64)) -> bytes:
    """Return a `.npy` file of version 1.0 with this header."""
    text = header.ljust(117).encode() + b"\n"
    return MAGIC_NUMPY + b"\x01\x00" + struct.pack("<H", len(text)) + text + data


def described(descr: str, shape: str) -> str:
    return f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}"


START = MAGIC_SEAMLESS_MIXED + b"\x0bmixed-plain"
HUGE = 2**62

HOSTILE: dict[str, bytes] = {
    "offsets beyond the data": holding(leaf(), [0, 800], 8),
    "negative offsets": holding(leaf(), [-8, 0], 8),
    "falling offsets": holding(leaf(), [0, 8, 4, 8], 8),
    "offsets that are floats": holding(leaf(), [0, 8.0], 8),
    "offsets that are booleans": holding(leaf(), [False, 8], 8),
    "no offsets": holding(leaf(), [], 8),
    "more arrays than the form has": holding("integer", [0, 8], 8),
    "fewer arrays than the form has": holding(leaf(), [0], 0),
    "an array larger than its bytes": holding(leaf(shape=[3]), [0, 8], 8),
    "an array smaller than its bytes": holding(leaf(shape=[1]), [0, 8], 8),
    "a shape of minus one": holding(leaf(shape=[-1]), [0, 8], 8),
    "items beyond the limit of NumPy": holding(
        leaf(items={"type": "string", "bytesize": 2**31}, shape=[0]), [0, 0], 0
    ),
    "a negative shape": holding(leaf(shape=[-2]), [0, 8], 8),
    "a huge shape": holding(leaf(shape=[HUGE, 4]), [0, 8], 8),
    "a huge empty shape": holding(leaf(shape=[HUGE, HUGE, 0]), [0, 0], 0),
    "a shape beyond 64 bits": holding(leaf(shape=[2**63, 0]), [0, 0], 0),
    "text items of a negative size": holding(
        leaf(items={"type": "string", "bytesize": -1}), [0, 8], 8
    ),
    "a hundred dimensions": holding(leaf(shape=[1] * 100), [0, 4], 4),
    "a shape of booleans": holding(leaf(shape=[True, 2]), [0, 8], 8),
    "huge items": holding(leaf(items={"type": "string", "bytesize": 2**40}), [0, 8], 8),
    "object items": holding(leaf(items={"type": "O", "bytesize": 8}), [0, 16], 16),
    "an array inside a structure": holding(record({"f": leaf()}, ["f"], 8), [0, 8], 8),
    "a number with the storage of an array": holding(
        {**INTEGER, "storage": "pure-binary"}, [0, 4], 4
    ),
    "fields named twice": holding(record({"f": INTEGER}, ["f", "f"], 8), [0, 8], 8),
    "a structure of another size": holding(record({"f": INTEGER}, ["f"], 400), [0, 400], 400),
    "an unknown storage inside": holding(leaf(storage="x"), [0, 8], 8),
    "an unknown storage": container({}, [[0], {}], b"", b"mixed-binary"),
    "a form that is a list": container([1], [[0], {"a": 0}]),
    "a form that is null": container(None, [[0], None]),
    "a data part of three items": container({"type": "object"}, [[0], {}, 0]),
    "a data part that is no list": container({"type": "object"}, {"offsets": [0]}),
    "a list of another length": container(
        {"type": "array", "items": leaf(), "identical": True, "shape": [2]}, [[0, 8], [0]], bytes(8)
    ),
    "nesting without end": START + struct.pack("<I", 200_000) + b"[" * 200_000,
    "a form longer than the buffer": START + b"\xff\xff\xff\xff{}",
    "sizes that overflow": START + b"\x02\x00\x00\x00{}" + MAGIC_SEAMLESS + b"\xff" * 16,
    "pickled objects": npy(described("'|O'", "(1,)"), b"\x80\x04N."),
    "a field of objects": npy(described("[('a', '|O')]", "(1,)")),
    "a negative npy shape": npy(described("'<i4'", "(-1,)")),
    "a huge npy shape": npy(described("'<i4'", f"({HUGE}, 4)")),
    "zero bytes times many": npy(described("'|S0'", f"({HUGE},)")),
    "text beyond Unicode": npy(described("'<U1'", "(16,)"), b"\xff" * 64),
    "text beyond Unicode in a field": npy(
        described("[('a', '>U2'), ('b', '|i1')]", "(1,)"), b"\0\x11\0\0" * 3
    ),
    "a header that is no dict": npy("[1, 2]"),
    "a header of brackets": MAGIC_NUMPY + b"\x02\x00" + struct.pack("<I", 500_000) + b"[" * 500_000,
    "a header longer than the buffer": MAGIC_NUMPY + b"\x02\x00\xff\xff\xff\xff{}",
}
