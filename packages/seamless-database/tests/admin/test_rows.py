"""Batches of rows, streams, and stored text that is not JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from admin_samples import put, transformation
from sqlalchemy import text

from seamless_database.admin.access.rows import (
    as_json,
    as_object,
    in_batches,
    in_chunks,
    stream,
)
from seamless_database.admin.access.sqlite import connect

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("count", "sizes"), [(0, []), (1, [1]), (3, [3]), (4, [3, 1]), (6, [3, 3]), (7, [3, 3, 1])]
)
def test_items_are_grouped_in_their_order(count: int, sizes: list[int]) -> None:
    batches = list(in_batches(range(count), 3))
    assert [len(batch) for batch in batches] == sizes
    assert [item for batch in batches for item in batch] == list(range(count))


def test_chunks_have_a_bounded_number_of_rows_and_characters(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("seamless_database.admin.access.rows.MAX_CHUNK_ROWS", 3)
    monkeypatch.setattr("seamless_database.admin.access.rows.MAX_CHUNK_CHARS", 10)
    lengths = [1, 1, 1, 4, 5, 1, 9, 1, 30, 2]
    chunks = list(in_chunks([(number, "x" * size) for number, size in enumerate(lengths)]))
    found = [[len(row[1]) for row in chunk] for chunk in chunks]
    assert found == [[1, 1, 1], [4, 5, 1], [9, 1], [30], [2]]
    assert list(in_chunks([])) == []


@pytest.mark.parametrize(
    "stored", [None, 5, 1.5, b"{}", "", "{", "nul", pytest.param("[" * 100_000, id="too deep")]
)
def test_invalid_json_is_not_read_as_null(stored: object) -> None:
    assert as_json(stored) is ...
    assert as_object(stored) is None


@pytest.mark.parametrize(
    ("stored", "value"), [("null", None), ("5", 5), ('"x"', "x"), ("[{}]", [{}]), ("{}", {})]
)
def test_json_is_parsed(stored: str, value: object) -> None:
    assert as_json(stored) == value
    assert as_object(stored) == (value if isinstance(value, dict) else None)


def test_a_stream_that_is_closed_after_its_connection_logs_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = put(tmp_path / "seamless.db", *(transformation(number, 1) for number in range(3)))
    with connect(file, "ro") as connection:
        rows = stream(connection, text("SELECT * FROM transformation"))
        next(rows)
    rows.close()
    assert caplog.text == ""
