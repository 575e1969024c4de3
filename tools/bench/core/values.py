"""The values that the core workloads and their limits work on; each is made once."""

from __future__ import annotations

import functools
import hashlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

RECORDS, ARRAYS, BUFFERS = 200_000, 10_000, 50_000
BIG = 12_000_000  # numbers of 8 bytes: 96 MB

#: cell type -> how many small values a call writes or reads, and one of them by its number
SMALL: dict[str, tuple[int, Callable[[int], Any]]] = {
    "plain": (10_000, lambda i: {"id": i, "name": f"n{i}", "value": i * 0.5}),
    "mixed": (10_000, lambda i: {"id": i, "name": f"n{i}", "value": i * 0.5}),
    "int": (10_000, lambda i: i * 7919),
    "float": (10_000, lambda i: i * 0.37),
    "str": (10_000, lambda i: f"the name of number {i}"),
    "bool": (10_000, lambda i: i % 2 == 0),
    "text": (10_000, lambda i: f"A line of text, of number {i}.\n" * 30),
    "python": (200, lambda i: f"def add(x, y={i}):\n    total = x + y\n    return total\n" * 10),
    "yaml": (100, lambda i: f"name: n{i}\nvalues: [1, 2.5, {i}]\nnested:\n  ok: true\n"),
}


@functools.cache
def small_values(celltype: str) -> list[Any]:
    count, value = SMALL[celltype]
    return [value(number) for number in range(count)]


@functools.cache
def records() -> list[Any]:
    return [
        {"id": i, "name": f"record {i}", "x": i * 0.25, "ok": i % 2 == 0, "tags": ["a", "b"]}
        for i in range(RECORDS)
    ]


@functools.cache
def array() -> Any:
    import numpy as np

    return np.random.default_rng(0).standard_normal(BIG)


@functools.cache
def small_arrays() -> dict[str, Any]:
    import numpy as np

    return {f"k{i:05}": np.arange(10, dtype="<f4") + i for i in range(ARRAYS)}


@functools.cache
def small_buffers() -> list[bytes]:
    return [b"%08d" % i * 16 for i in range(BUFFERS)]


@functools.cache
def checksum_texts() -> list[str]:
    return [hashlib.sha256(content).hexdigest() for content in small_buffers()]


VALUES: dict[str, Callable[[], Any]] = {
    "records": records,
    "array": array,
    "small arrays": small_arrays,
    "array in a dict": lambda: {"a": array(), "n": 1},
    "text": lambda: "line of text\n" * 2_000_000,
    "bytes": lambda: bytes(100_000_000),
}


@functools.cache
def written(celltype: str, which: str) -> bytes:
    """Return one value as the bytes of a cell type."""
    from seamless import Buffer

    content: bytes = Buffer(VALUES[which](), celltype).content
    return content


def cache_pairs() -> list[tuple[Any, Any]]:
    """Return a checksum and a buffer for each small content."""
    from seamless import Buffer

    buffers = [Buffer(content) for content in small_buffers()]
    return [(buffer.get_checksum(), buffer) for buffer in buffers]


class FreshTexts:
    """Texts of a cell type that no call has read before: what was valid once may be remembered."""

    def __init__(self, celltype: str) -> None:
        self._texts = [text.encode() for text in small_values(celltype)]
        self._calls = 0

    def take(self) -> list[bytes]:
        """Return the values of one call; they differ from earlier ones in a comment."""
        self._calls += 1
        return [b"%s# %d\n" % (text, self._calls) for text in self._texts]
