"""The upstream sets against the record of the reference installation."""

from __future__ import annotations

from typing import Any

import pytest
from recorded_vectors import load_vectors

from seamless.checksum import conversion

RECORDS = load_vectors("conversion.jsonl")
CATEGORIES = sorted({record["category"] for record in RECORDS})


@pytest.mark.parametrize("record", RECORDS, ids=[record["id"] for record in RECORDS])
def test_a_pair_is_in_the_recorded_set(record: dict[str, Any]) -> None:
    pair = (record["source"], record["target"])
    pairs = getattr(conversion, f"conversion_{record['category']}")
    assert pair in pairs
    if record["mapping"] is not None:
        expected = record["mapping"]
        assert pairs[pair] == (tuple(expected) if isinstance(expected, list) else expected)


@pytest.mark.parametrize("category", CATEGORIES)
def test_a_set_has_no_other_pair(category: str) -> None:
    pairs = getattr(conversion, f"conversion_{category}")
    assert len(pairs) == sum(record["category"] == category for record in RECORDS)


@pytest.mark.parametrize("category", CATEGORIES)
def test_a_set_has_the_published_container_type(category: str) -> None:
    expected = dict if category in {"equivalent", "chain"} else set
    assert type(getattr(conversion, f"conversion_{category}")) is expected
