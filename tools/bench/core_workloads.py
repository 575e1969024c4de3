"""What is timed of seamless-core, and the physical limit of each.

Runs in the environment of ours and in that of the published package, so it knows nothing but
the published surface. A workload is a function without arguments; values are made once.
"""

from __future__ import annotations

import functools
import hashlib
import io
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

SMALL, RECORDS, ARRAYS, BUFFERS = 10_000, 200_000, 10_000, 50_000
BIG = 12_000_000  # numbers of 8 bytes: 96 MB


@functools.cache
def small_values() -> list[Any]:
    return [{"id": i, "name": f"n{i}", "value": i * 0.5} for i in range(SMALL)]


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
def written(celltype: str, which: str) -> bytes:
    from seamless import Buffer

    content: bytes = Buffer(VALUES[which](), celltype).content
    return content


VALUES: dict[str, Callable[[], Any]] = {
    "records": records,
    "array": array,
    "small arrays": small_arrays,
    "array in a dict": lambda: {"a": array(), "n": 1},
    "text": lambda: "line of text\n" * 2_000_000,
    "bytes": lambda: bytes(100_000_000),
}


def write(celltype: str, which: str) -> Callable[[], Any]:
    """Serialize one value."""
    from seamless import Buffer

    value = VALUES[which]()
    return lambda: Buffer(value, celltype)


def read(celltype: str, which: str) -> Callable[[], Any]:
    """Parse one buffer; without its checksum, which has a workload of its own."""
    from seamless import Buffer, Checksum
    from seamless.checksum.parse_buffer import parse_buffer_sync

    buffer = Buffer(written(celltype, which))
    checksum = Checksum(hashlib.sha256(buffer.content).hexdigest())
    return lambda: parse_buffer_sync(buffer, checksum, celltype, copy=False)


def write_small() -> Callable[[], Any]:
    from seamless import Buffer

    return lambda: [Buffer(dict(value), "plain") for value in small_values()]


def read_small() -> Callable[[], Any]:
    from seamless import Buffer

    contents = [Buffer(value, "plain").content for value in small_values()]
    return lambda: [Buffer(content).get_value("plain") for content in contents]


def checksums_small() -> Callable[[], Any]:
    from seamless import Buffer

    return lambda: [Buffer(content).get_checksum() for content in small_buffers()]


def checksum_big() -> Callable[[], Any]:
    from seamless.checksum.calculate_checksum import calculate_checksum

    content = VALUES["bytes"]()
    return lambda: calculate_checksum(content)


def cache_cycle() -> Callable[[], Any]:
    from seamless import Buffer
    from seamless.caching.buffer_cache import get_buffer_cache

    cache = get_buffer_cache()
    pairs = [(b.get_checksum(), b) for b in (Buffer(c) for c in small_buffers()[:20_000])]

    def cycle() -> None:
        for checksum, buffer in pairs:
            cache.register(checksum, buffer, size=len(buffer))
            cache.incref(checksum, buffer=buffer, scratch=True)
            cache.get(checksum)
            cache.decref(checksum)

    return cycle


def dict_cycle() -> Callable[[], Any]:
    keys = [hashlib.sha256(content).digest() for content in small_buffers()[:20_000]]

    def cycle() -> None:
        table: dict[bytes, int] = {}
        counts: dict[bytes, int] = {}
        for key in keys:
            table[key] = 1
            counts[key] = 1
            table.get(key)
            del counts[key]

    return cycle


# -- limits -------------------------------------------------------------------------------


def orjson_dumps(values: Callable[[], list[Any]], one_by_one: bool) -> Callable[[], Any]:
    import orjson

    options = orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS
    found = values()
    if one_by_one:
        return lambda: [orjson.dumps(value, option=options) for value in found]
    return lambda: orjson.dumps(found, option=options)


def orjson_loads() -> Callable[[], Any]:
    import orjson

    content = written("plain", "records")
    return lambda: orjson.loads(content)


def orjson_loads_small() -> Callable[[], Any]:
    import orjson

    contents = [orjson.dumps(value) for value in small_values()]
    return lambda: [orjson.loads(content) for content in contents]


def json_dumps() -> Callable[[], Any]:
    value = records()
    return lambda: json.dumps(value, indent=2, sort_keys=True)


def json_loads() -> Callable[[], Any]:
    content = written("mixed", "records")
    return lambda: json.loads(content)


def np_save() -> Callable[[], Any]:
    import numpy as np

    value = array()
    return lambda: np.save(io.BytesIO(), value)


def copy_array() -> Callable[[], Any]:
    value = array()
    copy: Callable[[], Any] = value.tobytes
    return copy


def copy_small_arrays() -> Callable[[], Any]:
    values = small_arrays()
    return lambda: b"".join(value.data for value in values.values())


def view_array() -> Callable[[], Any]:
    import numpy as np

    content = written("binary", "array")
    return lambda: np.frombuffer(content, offset=128)


def small_copies() -> Callable[[], Any]:
    import numpy as np

    data = b"".join(value.tobytes() for value in small_arrays().values())
    return lambda: [
        np.frombuffer(data, "<f4", 10, start).copy() for start in range(0, len(data), 40)
    ]


def hash_small() -> Callable[[], Any]:
    contents = small_buffers()
    return lambda: [hashlib.sha256(content).hexdigest() for content in contents]


def hash_big() -> Callable[[], Any]:
    content = VALUES["bytes"]()
    return lambda: hashlib.sha256(content).hexdigest()


def encode_text() -> Callable[[], Any]:
    value = VALUES["text"]()
    encode: Callable[[], Any] = value.encode
    return encode


def decode_text() -> Callable[[], Any]:
    value = VALUES["text"]().encode()
    decode: Callable[[], Any] = value.decode
    return decode


#: name -> (maker of the workload, maker of its limit)
WORKLOADS: dict[str, tuple[Callable[[], Callable[[], Any]], Callable[[], Callable[[], Any]]]] = {
    "write 10,000 small plain values": (
        write_small, lambda: orjson_dumps(small_values, one_by_one=True)),
    "write 200,000 records, plain": (
        lambda: write("plain", "records"), lambda: orjson_dumps(records, one_by_one=False)),
    "write 200,000 records, mixed": (lambda: write("mixed", "records"), json_dumps),
    "write a 96 MB array, binary": (lambda: write("binary", "array"), np_save),
    "write a 96 MB array, mixed": (lambda: write("mixed", "array"), np_save),
    "write a 96 MB array in a dict": (lambda: write("mixed", "array in a dict"), copy_array),
    "write a dict of 10,000 small arrays": (
        lambda: write("mixed", "small arrays"), copy_small_arrays),
    "write 26 MB of text": (lambda: write("text", "text"), encode_text),
    "read 10,000 small plain values": (read_small, orjson_loads_small),
    "read 200,000 records, plain": (lambda: read("plain", "records"), orjson_loads),
    "read 200,000 records, mixed": (lambda: read("mixed", "records"), json_loads),
    "read a 96 MB array, binary": (lambda: read("binary", "array"), view_array),
    "read a 96 MB array in a dict": (lambda: read("mixed", "array in a dict"), copy_array),
    "read a dict of 10,000 small arrays": (lambda: read("mixed", "small arrays"), small_copies),
    "read 26 MB of text": (lambda: read("text", "text"), decode_text),
    "checksum 100 MB": (checksum_big, hash_big),
    "checksum 50,000 small buffers": (checksums_small, hash_small),
    "cache cycle, 20,000 buffers": (cache_cycle, dict_cycle),
}  # fmt: skip
