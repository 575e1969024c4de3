"""Arrays of every NumPy dtype in every layout, the same in each process.

This module needs NumPy alone: the recording script imports it beside the published package.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Array = np.ndarray[Any, Any]
RECORD = Path(__file__).parents[1] / "golden" / "dtypes.txt"


def _aligned(*fields: Any) -> np.dtype[Any]:
    return np.dtype(list(fields), align=True)


def _explicit(names: str, formats: list[Any], offsets: list[int], size: int) -> np.dtype[Any]:
    return np.dtype(
        {"names": list(names), "formats": formats, "offsets": offsets, "itemsize": size}
    )


_CODES = [
    "?", "i1", "u1", "<i2", ">i2", "<u2", ">u2", "<i4", ">i4", "<u4", ">u4", "<i8", ">i8", "<u8",
    ">u8", "<f2", ">f2", "<f4", ">f4", "<f8", ">f8", "<c8", ">c8", "<c16", ">c16", "g", ">g", "G",
    "S0", "S1", "S5", "U0", "<U1", "<U3", ">U3", "V0", "V1", "V8", "<M8[s]", ">M8[s]", "<M8[D]",
    "<m8[ns]", "m8", "O",
]  # fmt: skip
_INNER = _aligned(("x", "i1"), ("y", "<i4"))

#: name -> dtype
DTYPES: dict[str, np.dtype[Any]] = {
    **{code: np.dtype(code) for code in _CODES},
    "int32 as long": np.dtype("l"),
    "int64 as longlong": np.dtype("q"),
    "with metadata": np.dtype("<i4", metadata={"unit": "m"}),
    "no fields": np.dtype([]),
    "no fields, aligned": np.dtype([], align=True),
    "packed": np.dtype([("a", "i1"), ("b", "<f8")]),
    "packed without gaps": np.dtype([("a", "<i4"), ("b", "<i4")]),
    "aligned": _aligned(("a", "i1"), ("b", "<f8")),
    "aligned without gaps": _aligned(("a", "<i4"), ("b", "<i4")),
    "gap at the end": _aligned(("a", "<i8"), ("b", "i1")),
    "one field": _aligned(("a", "u1")),
    "one field, packed": np.dtype([("a", "u1")]),
    "foreign order": _aligned(("a", ">i4")),
    "nested": _aligned(("a", "i1"), ("b", _INNER)),
    "nested packed": np.dtype([("a", "i1"), ("b", np.dtype([("x", "i1"), ("y", "<i4")]))]),
    "packed inside aligned": _aligned(("a", "<i4"), ("b", np.dtype([("x", "i1"), ("y", "<i4")]))),
    "aligned inside packed": np.dtype([("a", "i1"), ("b", _INNER)]),
    "nested twice": _aligned(("a", _aligned(("b", _INNER), ("c", "?")))),
    "subarray": _aligned(("a", "<i2", (3,)), ("b", "<f4", (2, 2))),
    "unsigned subarray": _aligned(("a", "<u2", (3,))),
    "subarray of nothing": _aligned(("a", "<i4", (0,)), ("b", "i1")),
    "only a subarray of nothing": _aligned(("a", "<i4", (0,))),
    "subarray of text": _aligned(("a", "S2", (2,))),
    "subarray of structures": _aligned(("a", _INNER, (2,))),
    "subarray of truth values": _aligned(("a", "?", (5,)), ("b", "<i2")),
    "text": _aligned(("a", "S3"), ("b", "<i4")),
    "empty text": _aligned(("a", "S0"), ("b", "<i4")),
    "empty text, packed": np.dtype([("a", "S0"), ("b", "<i4")]),
    "empty text at the end": _aligned(("a", "<i4"), ("b", "S0")),
    "only empty text": _aligned(("a", "S0")),
    "unicode": _aligned(("a", "<U2"), ("b", "<i4")),
    "empty unicode": _aligned(("a", "<U0"), ("b", "<i4")),
    "raw": _aligned(("a", "V3"), ("b", "i1")),
    "complex": _aligned(("a", "<c16"), ("b", "i1")),
    "date": _aligned(("a", "<M8[s]"), ("b", "i1")),
    "longdouble": _aligned(("a", "g"), ("b", "i1")),
    "half": _aligned(("a", "<f2"), ("b", "<f4")),
    "objects": _aligned(("a", "O"), ("b", "i1")),
    "wide gaps": _explicit("ab", ["<i4", "<i4"], [0, 16], 32),
    "fields out of order": _explicit("ab", ["<i4", "<i4"], [4, 0], 8),
    "overlapping fields": _explicit("ab", ["<i4", "<i4"], [0, 2], 8),
    "titles": np.dtype([(("title", "a"), "<i4"), ("b", "<i4")], align=True),
    "latin names": _aligned(("é", "<i4"), ("ä b", "<i4")),
    "other names": _aligned(("日", "<i4"), ("b", "i1")),
    "quoted names": _aligned(("it's", "<i4"), ('a"b', "i1"), ("\n", "i1")),
    "many fields": _aligned(*((f"field{i}", "<i4") for i in range(40))),
}


def pattern(name: str, size: int) -> bytes:
    """Return pseudo-random bytes that depend only on the name."""
    blocks = -(-size // 32)
    return b"".join(hashlib.sha256(b"%b %d" % (name.encode(), i)).digest() for i in range(blocks))[
        :size
    ]


def _texts(dtype: np.dtype[Any], count: int) -> list[str]:
    letters = "aé日𝄞 z"
    length = dtype.itemsize // 4
    return ["".join(letters[(i + j) % 6] for j in range(length)) for i in range(count)]


def _flat(name: str, dtype: np.dtype[Any], count: int) -> Array:
    """Create an array of one axis; bytes between its fields are zero."""
    array: Array = np.zeros(count, dtype)
    if dtype.names is not None:
        for field in dtype.names:
            inner = dtype[field]
            base, shape = inner.subdtype or (inner, ())
            items = count * int(np.prod(shape, dtype=int))
            if inner.itemsize and count:
                array[field] = _flat(f"{name}.{field}", base, items).reshape((count, *shape))
    elif dtype.kind == "O":
        array[:] = [None, 1, "text", [2]][:count] + [0] * (count - 4)
    elif dtype.kind == "U":
        array[:] = _texts(dtype, count) if dtype.itemsize else [""] * count
    elif dtype.kind == "b":
        array[:] = [byte & 1 for byte in pattern(name, count)]
    elif dtype.char in "gG":
        # not every bit pattern is a valid extended precision number
        native = np.dtype(dtype.char)
        array = np.frombuffer(pattern(name, 2 * count), "<i2").astype(native) / native.type(7)
        array.view("u1").reshape(-1, 16)[:, 10:] = 0  # padding
        array = array if dtype.isnative else array.byteswap().view(dtype)
    elif dtype.itemsize:
        array = np.frombuffer(bytearray(pattern(name, count * dtype.itemsize)), dtype)
    return array


#: name -> function that creates an array from a dtype and its name
LAYOUTS: dict[str, Callable[[str, np.dtype[Any]], Array]] = {
    "()": lambda name, dtype: _flat(name, dtype, 1).reshape(()),
    "(0,)": lambda name, dtype: _flat(name, dtype, 0),
    "(1,)": lambda name, dtype: _flat(name, dtype, 1),
    "(3,)": lambda name, dtype: _flat(name, dtype, 3),
    "(2,3)": lambda name, dtype: _flat(name, dtype, 6).reshape(2, 3),
    "(2,3) F": lambda name, dtype: _flat(name, dtype, 6).reshape(3, 2).T,
    "(0,2)": lambda name, dtype: _flat(name, dtype, 0).reshape(0, 2),
    "every second": lambda name, dtype: _flat(name, dtype, 6)[::2],
    "backwards": lambda name, dtype: _flat(name, dtype, 3)[::-1],
    "repeated": lambda name, dtype: np.broadcast_to(_flat(name, dtype, 1), (3,)),
    "axes 1,2,0": lambda name, dtype: _flat(name, dtype, 12).reshape(2, 3, 2).transpose(1, 2, 0),
    "column of one": lambda name, dtype: _column(name, dtype, 1),
    "column of three": lambda name, dtype: _column(name, dtype, 3),
    "column of (2,3) F": lambda name, dtype: _column(name, dtype, 6).reshape(3, 2).T,
}


def _column(name: str, dtype: np.dtype[Any], rows: int) -> Array:
    table = np.zeros(rows, np.dtype([("other", "<i4"), ("column", dtype)]))
    if dtype.itemsize:
        table["column"] = _flat(name, dtype, rows)
    column: Array = table["column"]
    return column


def _item(array: Array) -> Any:
    return array[(0,) * array.ndim] if array.size else None


#: cell type and position -> function that creates a value with an array there
PLACES: dict[tuple[str, str], Callable[[Array], Any]] = {
    ("binary", "alone"): lambda array: array,
    ("binary", "item"): _item,
    ("mixed", "alone"): lambda array: array,
    ("mixed", "item"): _item,
    ("mixed", "dict"): lambda array: {"b": array, "a": [1, None]},
    ("mixed", "list"): lambda array: [array, array],
    ("mixed", "item inside"): lambda array: {"a": [{"b": (_item(array),)}]},
}


def cases() -> Iterator[tuple[str, Array]]:
    """Yield the name and the array of each case."""
    for name, dtype in DTYPES.items():
        for layout, make in LAYOUTS.items():
            yield f"{name}: {layout}", make(name, dtype)


def digest(content: bytes) -> str:
    """Return the SHA-256 in hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


def describe(value: Any) -> str:
    """Return the type, dtype, shape and items of a value; equal values have equal texts."""
    if isinstance(value, (np.ndarray, np.generic)):
        array = np.asarray(value)
        kind = "array" if isinstance(value, np.ndarray) else "item"
        return f"{kind} {_layout(array.dtype)} {array.shape} {_items(array)}"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {describe(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(describe, value)) + "]"
    return repr(value)


def _layout(dtype: np.dtype[Any]) -> str:
    if dtype.subdtype is not None:
        return f"{_layout(dtype.base)}{dtype.shape}"
    if dtype.names is None:
        return str(dtype.str)
    offsets = {name: offset for name, (_, offset, *_) in (dtype.fields or {}).items()}
    fields = (f"{name!r} {offsets[name]} {_layout(dtype[name])}" for name in dtype.names)
    return f"<{', '.join(fields)} | {dtype.itemsize} {dtype.isalignedstruct}>"


def _items(array: Array) -> str:
    """Return a text of the items; padding is left out."""
    if array.dtype.names is not None:
        return "(" + " ".join(_items(array[name]) for name in array.dtype.names) + ")"
    if array.dtype.char in "gGO":
        return " ".join(map(str, array.ravel()))
    return array.tobytes().hex()
