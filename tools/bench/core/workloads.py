"""What is timed of seamless-core, and the physical limit of each.

Runs in the environment of ours and in that of the published package, so it knows nothing but
the published surface. A workload is a function without arguments; values are made once.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from tools.bench.core import limits
from tools.bench.core.values import (
    SMALL,
    VALUES,
    FreshTexts,
    cache_pairs,
    checksum_texts,
    small_buffers,
    small_values,
    written,
)
from tools.bench.workload import Prepared, Workload

if TYPE_CHECKING:
    from collections.abc import Callable


def write(celltype: str, which: str) -> Callable[[], Any]:
    """Serialize one value."""
    from seamless import Buffer

    value = VALUES[which]()
    return lambda: Buffer(value, celltype)


def read(celltype: str, which: str) -> Callable[[], Any]:
    """Parse one buffer; without its checksum, which has a workload of its own."""
    from seamless import Buffer
    from seamless.checksum.parse_buffer import parse_buffer_sync

    buffer = Buffer(written(celltype, which))
    checksum = Buffer(buffer.content).get_checksum()
    return lambda: parse_buffer_sync(buffer, checksum, celltype, copy=False)


def write_small(celltype: str) -> Callable[[], Any]:
    from seamless import Buffer

    values = small_values(celltype)
    return lambda: [Buffer(value, celltype) for value in values]


def read_small(celltype: str) -> Callable[[], Any]:
    from seamless import Buffer

    contents = [Buffer(value, celltype).content for value in small_values(celltype)]
    return lambda: [Buffer(content).get_value(celltype) for content in contents]


def read_fresh(celltype: str) -> Prepared:
    """Read texts that are validated, and were never read before."""
    from seamless import Buffer

    return Prepared(
        FreshTexts(celltype).take,
        lambda contents: [Buffer(content).get_value(celltype) for content in contents],
    )


def checksums_small() -> Callable[[], Any]:
    from seamless import Buffer

    contents = small_buffers()
    return lambda: [Buffer(content).get_checksum() for content in contents]


def checksums_as_text() -> Callable[[], Any]:
    from seamless import Checksum

    texts = checksum_texts()
    return lambda: [Checksum(text).hex() for text in texts]


def checksum_big() -> Callable[[], Any]:
    from seamless.checksum.calculate_checksum import calculate_checksum

    content = VALUES["bytes"]()
    return lambda: calculate_checksum(content)


def cache_cycle() -> Callable[[], Any]:
    from seamless.caching.buffer_cache import get_buffer_cache

    cache, pairs = get_buffer_cache(), cache_pairs()

    def cycle() -> None:
        for checksum, buffer in pairs:
            cache.register(checksum, buffer, size=len(buffer))
            cache.incref(checksum, buffer=buffer, scratch=True)
            cache.get(checksum)
            cache.decref(checksum)

    return cycle


LARGE = 1.5  # how many times the limit, for more than 1 MB
CELL = 6.0  # the same for many small values of a cell type

#: cell type -> the limits of writing and reading small values, and how many times each is wanted
SMALL_LIMITS: dict[str, tuple[Callable[[str], Any], float, Callable[[str], Any], float]] = {
    "plain": (limits.orjson_dumps_small, 2.5, limits.orjson_loads_small, 4),
    "mixed": (limits.json_dumps_small, 2.5, limits.json_loads_small, 4),
    **dict.fromkeys(
        ("int", "float", "str", "bool"),
        (limits.orjson_dumps_small, CELL, limits.orjson_loads_small, CELL),
    ),
    "text": (limits.encode_small, CELL, limits.decode_small, CELL),
    "python": (limits.encode_small, CELL, limits.parse_python, CELL),
    "yaml": (limits.encode_small, CELL, limits.parse_yaml, CELL),
}


def of_small_values(celltype: str) -> dict[str, Workload]:
    """Return the workloads of many small values of one cell type."""
    to_write, write_most, to_read, read_most = SMALL_LIMITS[celltype]
    reading: Callable[[str], Any] = read_fresh if celltype in ("python", "yaml") else read_small
    name = f"{SMALL[celltype][0]:,} small {celltype} values"
    return {
        f"write {name}": Workload(
            partial(write_small, celltype), partial(to_write, celltype), write_most
        ),
        f"read {name}": Workload(partial(reading, celltype), partial(to_read, celltype), read_most),
    }


WORKLOADS: dict[str, Workload] = {
    name: workload for celltype in SMALL for name, workload in of_small_values(celltype).items()
} | {
    "write 200,000 records, plain": Workload(
        partial(write, "plain", "records"), limits.orjson_dumps, LARGE
    ),
    "write 200,000 records, mixed": Workload(
        partial(write, "mixed", "records"), limits.json_dumps, LARGE
    ),
    "write a 96 MB array, binary": Workload(
        partial(write, "binary", "array"), limits.np_save, LARGE, bound=True
    ),
    "write a 96 MB array, mixed": Workload(
        partial(write, "mixed", "array"), limits.np_save, LARGE, bound=True
    ),
    "write a 96 MB array in a dict": Workload(
        partial(write, "mixed", "array in a dict"), limits.array_to_bytes, LARGE, bound=True
    ),
    "write a dict of 10,000 small arrays": Workload(
        partial(write, "mixed", "small arrays"), limits.copy_small_arrays, 6
    ),
    "write 26 MB of text": Workload(
        partial(write, "text", "text"), limits.encode_text, LARGE, bound=True
    ),
    "read 200,000 records, plain": Workload(
        partial(read, "plain", "records"), limits.orjson_loads, LARGE
    ),
    "read 200,000 records, mixed": Workload(
        partial(read, "mixed", "records"), limits.json_loads, LARGE
    ),
    # what is wanted of it is that nothing is copied; the view itself takes a microsecond
    "read a 96 MB array, binary": Workload(partial(read, "binary", "array"), limits.view_array),
    "read a 96 MB array in a dict": Workload(
        partial(read, "mixed", "array in a dict"), limits.array_from_bytes, LARGE, bound=True
    ),
    "read a dict of 10,000 small arrays": Workload(
        partial(read, "mixed", "small arrays"), limits.small_copies, 3
    ),
    "read 26 MB of text": Workload(
        partial(read, "text", "text"), limits.decode_text, LARGE, bound=True
    ),
    "checksum 100 MB": Workload(checksum_big, limits.hash_big, 1.05, bound=True),
    "checksum 50,000 small buffers": Workload(checksums_small, limits.hash_small, 3),
    "50,000 checksums from and to text": Workload(checksums_as_text, limits.hexadecimal, None, 2),
    "cache cycle, 50,000 buffers": Workload(cache_cycle, limits.dict_cycle, 5, 4),
}

#: workloads that write much -> the peak of memory that is wanted, in multiples of what is written
PEAKS = {"write a 96 MB array, binary": 1.2, "write 200,000 records, plain": 2.2}
