from __future__ import annotations

import pytest

from seamless import Checksum
from seamless.caching.by_checksum import ByChecksum

KNOWN, ABSENT = Checksum("ab" * 32), Checksum("cd" * 32)


@pytest.fixture
def view() -> ByChecksum[str]:
    return ByChecksum({KNOWN.bytes(): "known"})


def test_a_table_by_digest_is_seen_by_checksum(view: ByChecksum[str]) -> None:
    assert view[KNOWN] == "known"
    assert dict(view) == {KNOWN: "known"}
    assert len(view) == 1


@pytest.mark.parametrize("name", [ABSENT, KNOWN.hex(), KNOWN.bytes(), None])
def test_nothing_but_a_known_checksum_is_in_it(view: ByChecksum[str], name: object) -> None:
    assert name not in view
    assert view.get(name) is None  # type: ignore[call-overload]  # what callers may pass all the same


def test_a_view_follows_its_table() -> None:
    table: dict[bytes, int] = {}
    view = ByChecksum(table)
    table[ABSENT.bytes()] = 7
    assert view[ABSENT] == 7
