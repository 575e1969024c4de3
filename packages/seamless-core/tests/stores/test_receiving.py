from __future__ import annotations

import gzip
import hashlib
import io
import itertools
import os
import random

import pytest

from seamless.errors import ChecksumMismatchError
from seamless.stores.deadline import Deadline
from seamless.stores.receiving import (
    TooLargeError,
    default_max_size,
    expanded,
    received,
)

CONTENT = random.Random(0).randbytes(4_000_000)
DIGEST = hashlib.sha256(CONTENT).hexdigest()


def expand(data: bytes, deadline: Deadline) -> bytes:
    source = io.BytesIO(data)
    return expanded(source, len(data), ".gz", limit=1 << 30, expected=DIGEST, deadline=deadline)


def clock_with_steps(seconds: float) -> Deadline:
    """Return a deadline of one second, by a clock that moves on at each look."""
    times = itertools.count(0, seconds)
    return Deadline(1.0, lambda: next(times))


def test_expanded_bytes_extend_the_deadline() -> None:
    assert expand(gzip.compress(CONTENT), clock_with_steps(0.1)) == CONTENT


def test_input_that_expands_to_nothing_does_not_extend_the_deadline() -> None:
    with pytest.raises(TimeoutError, match="in time"):
        expand(gzip.compress(b"") * 200_000, clock_with_steps(0.1))


def test_bytes_are_received_up_to_the_limit() -> None:
    assert received([b"ab", memoryview(b"c")], 3, None) == b"abc"
    with pytest.raises(TooLargeError, match="more than 2 bytes"):
        received([b"ab", b"c"], 2, None)
    with pytest.raises(ChecksumMismatchError):
        received([b"other"], 100, DIGEST)


def test_half_of_the_memory_is_the_default_limit() -> None:
    pages = os.sysconf("SC_PHYS_PAGES")
    assert default_max_size() == os.sysconf("SC_PAGE_SIZE") * pages // 2
