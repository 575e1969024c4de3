"""`HexDigest` beside its subclass `Checksum`, whose tests cover the shared methods."""

from __future__ import annotations

import hashlib
import pickle

import pytest

from seamless import Checksum
from seamless.util.hex_digest import HexDigest

DIGEST = hashlib.sha256(b"a buffer").digest()


def test_a_digest_and_a_checksum_of_the_same_bytes_are_one_key() -> None:
    assert HexDigest(DIGEST) == Checksum(DIGEST)
    assert {HexDigest(DIGEST): 1}[Checksum(DIGEST)] == 1
    assert Checksum(HexDigest(DIGEST)) == HexDigest(Checksum(DIGEST))


def test_digests_and_checksums_are_ordered_together() -> None:
    low, high = HexDigest(bytes(32)), Checksum(DIGEST)
    higher: tuple[HexDigest | str, ...] = (high, str(high))
    for other in higher:
        assert low < other
        assert not low > other
    same_or_lower: tuple[HexDigest | str, ...] = (low, str(low))
    for other in same_or_lower:
        assert high > other
        assert not high < other
        assert not low < other
        assert not low > other


@pytest.mark.parametrize("kind", [HexDigest, Checksum])
def test_a_pickle_keeps_the_class(kind: type[HexDigest]) -> None:
    restored = pickle.loads(pickle.dumps(kind(DIGEST)))
    assert (type(restored), restored.bytes()) == (kind, DIGEST)
