from __future__ import annotations

import hashlib

import pytest

from seamless.checksum.trivial import trivial_content


@pytest.mark.parametrize("content", [b"", b"{}", b"{}\n", b"[]", b"[]\n"])
def test_trivial_contents_are_known_by_their_checksums(content: bytes) -> None:
    assert trivial_content(hashlib.sha256(content).digest()) == content


def test_other_contents_are_unknown() -> None:
    assert trivial_content(hashlib.sha256(b"\n").digest()) is None
