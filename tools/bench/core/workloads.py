"""What is timed of seamless-core, and the physical limit of each.

Runs in the environment of ours and in that of the published package, so it knows nothing but
the published surface. A workload is a function without arguments; values are made once.

A limit keeps its results as the others do, and has the same bytes: thus the line break after
each small JSON text. Without it the writer's own blocks of 1 KB would be kept, and the limit
measure how fast 10 MB of fresh memory can be touched, at twelve times the cost of writing.
"""

from __future__ import annotations

import functools
import hashlib
import io
import json
from typing import TYPE_CHECKING, Any

from tools.bench.workload import Workload

if TYPE_CHECKING:
    from collections.abc import Callable

SMALL, RECORDS, ARRAYS, BUFFERS, CYCLES = 10_000, 200_000, 10_000, 50_000, 20_000
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


def write_small(celltype: str) -> Callable[[], Any]:
    from seamless import Buffer

    values = small_values()
    return lambda: [Buffer(value, celltype) for value in values]


def read_small(celltype: str) -> Callable[[], Any]:
    from seamless import Buffer

    contents = [Buffer(value, celltype).content for value in small_values()]
    return lambda: [Buffer(content).get_value(celltype) for content in contents]


def checksums_small() -> Callable[[], Any]:
    from seamless import Buffer

    contents = small_buffers()
    return lambda: [Buffer(content).get_checksum() for content in contents]


def checksums_as_text() -> Callable[[], Any]:
    from seamless import Checksum

    texts = [hashlib.sha256(content).hexdigest() for content in small_buffers()]
    return lambda: [Checksum(text).hex() for text in texts]


def checksum_big() -> Callable[[], Any]:
    from seamless.checksum.calculate_checksum import calculate_checksum

    content = VALUES["bytes"]()
    return lambda: calculate_checksum(content)


def cache_pairs() -> list[tuple[Any, Any]]:
    from seamless import Buffer

    buffers = [Buffer(content) for content in small_buffers()[:CYCLES]]
    return [(buffer.get_checksum(), buffer) for buffer in buffers]


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


# -- limits -------------------------------------------------------------------------------


def dict_cycle() -> Callable[[], Any]:
    """Do the four steps of `cache_cycle` with the same keys and buffers in plain dicts."""
    pairs = cache_pairs()
    buffers: dict[Any, Any] = {}
    counts: dict[Any, int] = {}

    def cycle() -> None:
        for checksum, buffer in pairs:
            buffers[checksum] = buffer
            counts[checksum] = counts.get(checksum, 0) + 1
            buffers.get(checksum)
            left = counts[checksum] - 1
            if left:
                counts[checksum] = left
            else:
                del counts[checksum], buffers[checksum]

    return cycle


def orjson_dumps() -> Callable[[], Any]:
    import orjson

    options = orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE
    value = records()
    return lambda: orjson.dumps(value, option=options)


def orjson_dumps_small() -> Callable[[], Any]:
    import orjson

    options = orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS
    values = small_values()
    return lambda: [orjson.dumps(value, option=options) + b"\n" for value in values]


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


def json_dumps_small() -> Callable[[], Any]:
    values = small_values()
    return lambda: [json.dumps(value, indent=2, sort_keys=True).encode() for value in values]


def json_loads_small() -> Callable[[], Any]:
    contents = [json.dumps(value).encode() for value in small_values()]
    return lambda: [json.loads(content) for content in contents]


def json_loads() -> Callable[[], Any]:
    content = written("mixed", "records")
    return lambda: json.loads(content)


def np_save() -> Callable[[], Any]:
    import numpy as np

    value = array()

    def save() -> memoryview:
        stream = io.BytesIO()
        np.save(stream, value)
        return stream.getbuffer()

    return save


def array_to_bytes() -> Callable[[], Any]:
    value = array()
    copy: Callable[[], Any] = value.tobytes
    return copy


def array_from_bytes() -> Callable[[], Any]:
    import numpy as np

    content = array().tobytes()
    return lambda: np.frombuffer(content).copy()


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


def hexadecimal() -> Callable[[], Any]:
    texts = [hashlib.sha256(content).hexdigest() for content in small_buffers()]
    return lambda: [bytes.fromhex(text).hex() for text in texts]


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


LARGE, SMALL_VALUES = 1.5, 5.0  # how many times the limit, for more than 1 MB and for little

WORKLOADS: dict[str, Workload] = {
    "write 10,000 small plain values": Workload(
        lambda: write_small("plain"), orjson_dumps_small, SMALL_VALUES
    ),
    "write 10,000 small mixed values": Workload(
        lambda: write_small("mixed"), json_dumps_small, SMALL_VALUES
    ),
    "write 200,000 records, plain": Workload(
        lambda: write("plain", "records"), orjson_dumps, LARGE
    ),
    "write 200,000 records, mixed": Workload(lambda: write("mixed", "records"), json_dumps, LARGE),
    "write a 96 MB array, binary": Workload(lambda: write("binary", "array"), np_save, LARGE),
    "write a 96 MB array, mixed": Workload(lambda: write("mixed", "array"), np_save, LARGE),
    "write a 96 MB array in a dict": Workload(
        lambda: write("mixed", "array in a dict"), array_to_bytes, LARGE
    ),
    "write a dict of 10,000 small arrays": Workload(
        lambda: write("mixed", "small arrays"), copy_small_arrays, 20
    ),
    "write 26 MB of text": Workload(lambda: write("text", "text"), encode_text, LARGE),
    "read 10,000 small plain values": Workload(
        lambda: read_small("plain"), orjson_loads_small, SMALL_VALUES
    ),
    "read 10,000 small mixed values": Workload(
        lambda: read_small("mixed"), json_loads_small, SMALL_VALUES
    ),
    "read 200,000 records, plain": Workload(lambda: read("plain", "records"), orjson_loads, LARGE),
    "read 200,000 records, mixed": Workload(lambda: read("mixed", "records"), json_loads, LARGE),
    # what is wanted of it is that nothing is copied; the view itself takes a microsecond
    "read a 96 MB array, binary": Workload(lambda: read("binary", "array"), view_array),
    "read a 96 MB array in a dict": Workload(
        lambda: read("mixed", "array in a dict"), array_from_bytes, LARGE
    ),
    "read a dict of 10,000 small arrays": Workload(
        lambda: read("mixed", "small arrays"), small_copies, 10
    ),
    "read 26 MB of text": Workload(lambda: read("text", "text"), decode_text, LARGE),
    "checksum 100 MB": Workload(checksum_big, hash_big, 1.05),
    "checksum 50,000 small buffers": Workload(checksums_small, hash_small, 4),
    "50,000 checksums from and to text": Workload(checksums_as_text, hexadecimal),
    "cache cycle, 20,000 buffers": Workload(cache_cycle, dict_cycle, 8),
}

#: workloads that write much -> the peak of memory that is wanted, in multiples of what is written
PEAKS = {"write a 96 MB array, binary": 1.2, "write 200,000 records, plain": 2.2}
