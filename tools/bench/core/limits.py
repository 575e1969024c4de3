"""The physical limits of the core workloads: the least that Python code must do for each.

The report shows the first line of each docstring, and the code that is timed.

A limit keeps its results as the workload does, and has the same bytes: thus the line break after
each small JSON text. Without it the writer's own blocks of 1 KB would be kept, and the limit
measure how fast 10 MB of fresh memory can be touched, at twelve times the cost of writing.
"""

from __future__ import annotations

import ast
import io
import json
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from tools.bench.core.values import (
    VALUES,
    FreshTexts,
    array,
    cache_pairs,
    checksum_texts,
    records,
    small_arrays,
    small_buffers,
    small_values,
    written,
)
from tools.bench.workload import Prepared

if TYPE_CHECKING:
    from collections.abc import Callable


def orjson_dumps() -> Callable[[], Any]:
    """Write the JSON with orjson, indented and with sorted keys."""
    import orjson

    options = orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE
    value = records()
    return lambda: orjson.dumps(value, option=options)


def orjson_dumps_small(celltype: str) -> Callable[[], Any]:
    """Write the JSON of each value with orjson, indented and with sorted keys."""
    import orjson

    options = orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS
    values = small_values(celltype)
    return lambda: [orjson.dumps(value, option=options) + b"\n" for value in values]


def orjson_loads() -> Callable[[], Any]:
    """Read the JSON with orjson."""
    import orjson

    content = written("plain", "records")
    return lambda: orjson.loads(content)


def orjson_loads_small(celltype: str) -> Callable[[], Any]:
    """Make the SHA-256 of each content, as `get_value` has to, and read its JSON with orjson."""
    import orjson

    contents = [orjson.dumps(value) + b"\n" for value in small_values(celltype)]
    return lambda: [orjson.loads(content) for content in contents if sha256(content).digest()]


def json_dumps() -> Callable[[], Any]:
    """Write the JSON with Python's `json`, indented and with sorted keys."""
    value = records()
    return lambda: json.dumps(value, indent=2, sort_keys=True)


def json_dumps_small(celltype: str) -> Callable[[], Any]:
    """Write the JSON of each value with Python's `json`, indented and with sorted keys."""
    values = small_values(celltype)
    return lambda: [json.dumps(value, indent=2, sort_keys=True).encode() for value in values]


def json_loads() -> Callable[[], Any]:
    """Read the JSON with Python's `json`."""
    content = written("mixed", "records")
    return lambda: json.loads(content)


def json_loads_small(celltype: str) -> Callable[[], Any]:
    """Make the SHA-256 of each content, and read its JSON with Python's `json`."""
    contents = [json.dumps(value).encode() for value in small_values(celltype)]
    return lambda: [json.loads(content) for content in contents if sha256(content).digest()]


def encode_small(celltype: str) -> Callable[[], Any]:
    """Encode each text as UTF-8, with one newline at its end."""
    values = small_values(celltype)
    return lambda: [(value.rstrip("\n") + "\n").encode() for value in values]


def decode_small(celltype: str) -> Callable[[], Any]:
    """Make the SHA-256 of each content, and decode it, without newlines at its end."""
    contents = [value.encode() for value in small_values(celltype)]
    return lambda: [
        content.decode().rstrip("\n") for content in contents if sha256(content).digest()
    ]


def parse_python(celltype: str) -> Prepared:
    """Decode each text, which was never read before, and parse it with Python's parser."""
    return Prepared(
        FreshTexts(celltype).take, lambda texts: [ast.parse(text.decode()) for text in texts]
    )


def parse_yaml(celltype: str) -> Prepared:
    """Decode each text, which was never read before, and parse it with one safe ruamel.yaml."""
    from ruamel.yaml import YAML

    load = YAML(typ="safe", pure=True).load
    return Prepared(
        FreshTexts(celltype).take, lambda texts: [load(text.decode()) for text in texts]
    )


def np_save() -> Callable[[], Any]:
    """Save the array to memory with numpy, which is one copy."""
    import numpy as np

    value = array()

    def save() -> memoryview:
        stream = io.BytesIO()
        np.save(stream, value)
        return stream.getbuffer()

    return save


def array_to_bytes() -> Any:
    """Copy the array once."""
    value = array()
    return value.tobytes


def array_from_bytes() -> Callable[[], Any]:
    """Copy the array once."""
    import numpy as np

    content = array().tobytes()
    return lambda: np.frombuffer(content).copy()


def copy_small_arrays() -> Callable[[], Any]:
    """Ask each array for the view of its memory, and copy all of these into one bytes object."""
    arrays = small_arrays()
    return lambda: b"".join(array.data for array in arrays.values())


def view_array() -> Callable[[], Any]:
    """Make an array that is a view of the bytes."""
    import numpy as np

    content = written("binary", "array")
    return lambda: np.frombuffer(content, offset=128)


def small_copies() -> Callable[[], Any]:
    """Make an array of each 40 bytes, and copy it, so that it can be written to."""
    import numpy as np

    data = b"".join(value.tobytes() for value in small_arrays().values())
    starts = range(0, len(data), 40)
    return lambda: [np.frombuffer(data, "<f4", 10, start).copy() for start in starts]


def encode_text() -> Any:
    """Encode the text, which is one copy."""
    text = VALUES["text"]()
    return text.encode


def decode_text() -> Any:
    """Decode the text, which is one copy."""
    content = VALUES["text"]().encode()
    return content.decode


def hash_small() -> Callable[[], Any]:
    """Make the SHA-256 of each buffer with hashlib, as text."""
    contents = small_buffers()
    return lambda: [sha256(content).hexdigest() for content in contents]


def hash_big() -> Callable[[], Any]:
    """Make one SHA-256 with hashlib."""
    content = VALUES["bytes"]()
    return lambda: sha256(content).hexdigest()


def hexadecimal() -> Callable[[], Any]:
    """Convert each text to bytes and back."""
    texts = checksum_texts()
    return lambda: [bytes.fromhex(text).hex() for text in texts]


def dict_cycle() -> Callable[[], Any]:
    """Do the four steps with the same keys and buffers in plain dicts."""
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
