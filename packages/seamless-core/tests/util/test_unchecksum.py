from __future__ import annotations

from seamless import Checksum
from seamless.util import unchecksum

CHECKSUM = Checksum("ab" * 32)
HEX = CHECKSUM.hex()


def test_checksums_become_text_at_any_depth() -> None:
    assert unchecksum({"a": [CHECKSUM, {"b": (CHECKSUM, 1)}]}) == {"a": [HEX, {"b": [HEX, 1]}]}


def test_a_checksum_that_is_a_key_stays_a_checksum() -> None:
    assert [type(key) for key in unchecksum({CHECKSUM: 1})] == [Checksum]


def test_tuples_become_lists_and_other_values_stay() -> None:
    other = object()
    assert unchecksum((1, "x", None, other)) == [1, "x", None, other]


def test_the_value_itself_is_not_changed() -> None:
    value = {"a": [CHECKSUM]}
    unchecksum(value)
    assert value == {"a": [CHECKSUM]}
