from __future__ import annotations

import pytest

from seamless import Checksum
from seamless.caching.views import ChecksumView

KNOWN, ABSENT = Checksum("ab" * 32), Checksum("cd" * 32)


def view_of(table: dict[Checksum, str]) -> ChecksumView[str]:
    return ChecksumView(lambda digest: table.get(Checksum(digest)), lambda: list(table))


@pytest.fixture
def view() -> ChecksumView[str]:
    return view_of({KNOWN: "known"})


def test_a_view_maps_checksums_to_values(view: ChecksumView[str]) -> None:
    assert view[KNOWN] == "known"
    assert dict(view) == {KNOWN: "known"}
    assert len(view) == 1


@pytest.mark.parametrize("name", [ABSENT, KNOWN.hex(), KNOWN.bytes(), None])
def test_a_view_contains_only_known_checksums(view: ChecksumView[str], name: object) -> None:
    assert name not in view
    assert view.get(name) is None


def test_a_view_follows_its_table() -> None:
    table: dict[Checksum, str] = {}
    view = view_of(table)
    table[ABSENT] = "new"
    assert view[ABSENT] == "new"


def test_items_and_values_omit_entries_that_are_removed_meanwhile() -> None:
    table = {KNOWN: "known", ABSENT: "removed"}
    view = view_of(table)
    items, values = iter(view.items()), iter(view.values())
    assert next(items) == (KNOWN, "known")
    assert next(values) == "known"
    del table[ABSENT]
    assert list(items) == []
    assert list(values) == []


def test_items_and_values_are_views(view: ChecksumView[str]) -> None:
    items, values = view.items(), view.values()
    assert (len(items), len(values)) == (1, 1)
    assert (KNOWN, "known") in items
    assert "known" in values
    assert "absent" not in values
