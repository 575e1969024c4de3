"""Damaged and malicious buffers: a ValueError and nothing else, with and without assertions.

The same fuzzing runs once more in a child under `python -O`, where a check that was only an
assertion would be gone, and where a crash of the interpreter shows as its exit status.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from malformed_buffers import HOSTILE, described, npy
from mixed_values import arrays, mixed_values

from seamless import Buffer
from seamless.errors import BufferFormatError
from seamless.util.mixed.format import MAGIC_NUMPY, MAGIC_SEAMLESS_MIXED

CELLTYPES = ("mixed", "binary")
fuzzing = settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])

RECORD = np.zeros(2, np.dtype([("a", "i1"), ("b", "<f8", (2,))], align=True))
SEEDS = [
    Buffer(value, "mixed").content
    for value in (
        {"a": np.arange(3, dtype="<i2"), "b": [1, b"ab"], "c": "t"},
        [{"x": RECORD, "y": [np.zeros((2, 2))]}] * 2,
        {"r": RECORD[0], "n": None},
        np.arange(6, dtype="<f4").reshape(2, 3).T,
        RECORD,
        np.array([b"xy", b"z"]),
    )
]
MAGICS = [MAGIC_NUMPY + b"\x01\x00", MAGIC_NUMPY + b"\x03\x00", MAGIC_SEAMLESS_MIXED]


def read(content: bytes) -> None:
    """Read as `mixed` and `binary`; any other error than these two fails the test."""
    for celltype in CELLTYPES:
        try:
            value = Buffer(content).get_value(celltype)
        except ValueError:
            continue
        except TypeError:
            if celltype == "mixed":  # a binary cell may hold JSON, which is a TypeError
                raise
            continue
        repr(value)  # reads the memory of the result


mutations = st.lists(
    st.tuples(
        st.integers(0, 10_000),
        st.sampled_from(["set", "cut", "drop", "grow"]),
        st.binary(max_size=9),
    ),
    min_size=1,
    max_size=4,
)


def mutated(content: bytes, steps: list[tuple[int, str, bytes]]) -> bytes:
    for position, step, data in steps:
        at = position % (len(content) + 1)
        content = {
            "set": content[:at] + data + content[at + len(data) :],
            "cut": content[:at],
            "drop": content[:at] + content[at + len(data) :],
            "grow": content[:at] + data + content[at:],
        }[step]
    return content


@fuzzing
@given(st.sampled_from(SEEDS), mutations)
def test_a_damaged_buffer_is_a_value_error(
    seed: bytes, steps: list[tuple[int, str, bytes]]
) -> None:
    read(mutated(seed, steps))


@fuzzing
@given(st.sampled_from(MAGICS), st.binary(max_size=200))
def test_a_magic_number_with_garbage_is_a_value_error(magic: bytes, garbage: bytes) -> None:
    read(magic + garbage)


@fuzzing
@given(arrays, st.integers(0, 400))
def test_a_truncated_array_is_a_value_error(array: np.ndarray[Any, Any], length: int) -> None:
    read(Buffer(array, "binary").content[:length])


@given(mixed_values)
def test_every_prefix_of_a_buffer_is_read_safely(value: Any) -> None:
    try:
        content = Buffer(value, "mixed").content
    except TypeError:
        return
    for length in range(0, len(content), max(1, len(content) // 20)):
        read(content[:length])


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("celltype", CELLTYPES)
def test_a_malicious_buffer_is_refused_as_damaged(name: str, celltype: str) -> None:
    with pytest.raises(BufferFormatError):
        Buffer(HOSTILE[name]).get_value(celltype)


@pytest.mark.filterwarnings("error")
def test_a_deprecated_dtype_is_damage_if_warnings_are_errors() -> None:
    with pytest.raises(BufferFormatError, match="damaged header"):
        Buffer(npy(described("'M8[s]garbage'", "(1,)"))).get_value("binary")
    try:
        Buffer(npy(described("'a5'", "(1,)"))).get_value("binary")
    except BufferFormatError as error:
        assert "damaged header" in str(error)  # noqa: PT017 - old versions of NumPy read it


HERE = Path(__file__).parent
WITHOUT_ASSERTIONS = """
import sys
sys.path += sys.argv[1:]
import test_damaged_buffers as tests
assert False, "assertions must be off here"
tests.test_a_damaged_buffer_is_a_value_error()
tests.test_a_magic_number_with_garbage_is_a_value_error()
tests.test_a_truncated_array_is_a_value_error()
for name, content in tests.HOSTILE.items():
    for celltype in tests.CELLTYPES:
        try:
            tests.Buffer(content).get_value(celltype)
        except ValueError:
            continue
        sys.exit(f"{name} was read as {celltype}")
print("all refused")
"""


def test_the_tests_pass_without_assertions() -> None:
    child = subprocess.run(
        [
            sys.executable,
            "-O",
            "-c",
            WITHOUT_ASSERTIONS,
            str(HERE),
            str(HERE.parents[1] / "support"),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert child.returncode == 0, child.stderr
    assert child.stdout == "all refused\n"
