from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from admin_samples import (
    admin,
    buffer_info,
    expression,
    metadata,
    put,
    put_irreproducible,
    rows,
    run_json,
    semantic_to_syntactic,
    state,
    transformation,
)
from database_samples import checksum

from seamless_database.admin.timestamps import parse_time

IRREPRODUCIBLE = "irreproducible_transformation"


@pytest.fixture
def file(where: Path | str) -> Path | str:
    return put(
        where,
        metadata("old", "a", finished_at="2020-01-01T00:00:00Z"),
        metadata("new", "a", finished_at="2026-01-01T00:00:00Z"),
        metadata("undated", "b"),
        transformation("bare", "b"),
        metadata("irreproducible", "c", finished_at="2020-01-01T00:00:00Z"),
        put_irreproducible("irreproducible", "c"),
        metadata("irreproducible later", "c", finished_at="2026-01-01T00:00:00Z"),
        put_irreproducible("irreproducible later", "c"),
        buffer_info("a", length=1),
        expression("a", "d"),
        expression("e", "a"),
        semantic_to_syntactic("a", "f"),
    )


def transformations(file: Path | str) -> set[str]:
    return {row[0] for row in rows(file, "transformation")}


def checksums(*keys: object) -> set[str]:
    return {checksum(key) for key in keys}


def test_old_results_are_deleted_with_their_records_and_reverse_rows(file: Path | str) -> None:
    removed = run_json("prune", file, "--older-than", "2025-01-01")["removed"]
    assert removed == {"rev_transformation": 1, "transformation": 1, "meta_data": 1}
    assert transformations(file) == checksums("new", "undated", "bare")
    assert run_json("check", file)["clean"]


def test_results_with_a_record_without_a_time_are_kept_and_counted(file: Path | str) -> None:
    ages = run_json("prune", file, "--older-than", "2100-01-01")["ages"]
    assert ages["kept_because_their_record_tells_no_time"] == 1
    assert ages["records_with_a_time"] == 2
    assert transformations(file) == checksums("undated", "bare")


def test_results_without_a_record_are_kept_and_counted(file: Path | str) -> None:
    put(file, transformation("bare too", "b"))
    done = admin("prune", file, "--older-than", "2025-01-01")
    assert re.search("kept because they have no record +2\n", done.out)
    assert "--without-record" in done.out
    assert transformations(file) == checksums("new", "undated", "bare", "bare too")


def test_without_record_deletes_results_without_a_record(file: Path | str) -> None:
    planned = run_json("prune", file, "--without-record", "--dry-run")["removed"]
    assert planned == {"rev_transformation": 1, "transformation": 1}
    assert run_json("prune", file, "--without-record")["removed"] == planned
    assert transformations(file) == checksums("old", "new", "undated")
    assert run_json("check", file)["clean"]


def test_old_results_and_those_without_a_record_are_deleted_together(file: Path | str) -> None:
    findings = run_json("prune", file, "--older-than", "2025-01-01", "--without-record")
    assert transformations(file) == checksums("new", "undated")
    assert findings["ages"]["kept_because_they_have_no_record"] == 0
    assert "advice" not in findings


def test_irreproducible_and_without_record_exclude_each_other(file: Path | str) -> None:
    before = state(file)
    done = admin("prune", file, "--irreproducible", "--without-record")
    assert done.status == 2
    assert "separate commands" in done.err
    assert state(file) == before


@pytest.mark.parametrize(
    ("limit", "kept"),
    [
        ("2020-01-01T00:00:00Z", ["old", "new", "undated", "bare"]),
        ("2020-01-01T00:00:01Z", ["new", "undated", "bare"]),
        ("2026-01-01T01:00:00+01:00", ["new", "undated", "bare"]),
    ],
)
def test_a_record_dated_exactly_at_the_limit_is_kept(
    file: Path | str, limit: str, kept: list[str]
) -> None:
    run_json("prune", file, "--older-than", limit)
    assert transformations(file) == checksums(*kept)


def test_an_irreproducible_result_dated_exactly_at_the_limit_is_kept(file: Path | str) -> None:
    run_json("prune", file, "--irreproducible", "--older-than", "2020-01-01")
    assert len(rows(file, IRREPRODUCIBLE)) == 2


@pytest.mark.parametrize("count", [499, 500, 1000])
def test_results_that_fill_whole_batches_are_all_deleted(file: Path | str, count: int) -> None:
    date = "2019-01-01"
    put(file, *(metadata(number, "many", finished_at=date) for number in range(count)))
    before = transformations(file) - checksums(*range(count))
    removed = run_json("prune", file, "--older-than", "2020-01-01")["removed"]
    assert removed == dict.fromkeys(("rev_transformation", "transformation", "meta_data"), count)
    assert transformations(file) == before


def test_a_second_prune_deletes_nothing(file: Path | str) -> None:
    words = ("prune", file, "--older-than", "2025-01-01", "--irreproducible")
    run_json(*words)
    before = state(file)
    assert run_json(*words)["removed"] == {}
    assert state(file) == before


def test_an_age_counts_from_now(file: Path | str) -> None:
    run_json("prune", file, "--older-than", "100y")
    assert len(transformations(file)) == 4
    run_json("prune", file, "--older-than", "0h")
    assert transformations(file) <= checksums("new", "undated", "bare")


def test_an_invalid_age_deletes_nothing(file: Path | str) -> None:
    before = state(file)
    for age in ("yesterday", "90", "1m", "999999y"):
        done = admin("prune", file, "--irreproducible", "--older-than", age)
        assert (done.status, age in done.err) == (2, True)
    assert state(file) == before


def test_an_age_has_a_unit(tmp_path: Path) -> None:
    file = put(tmp_path / "seamless.db", transformation("bare", "b"))
    hours = {"1h": 1, "36h": 36, "1d": 24, "1w": 7 * 24, "1y": 365 * 24}
    for age, expected in hours.items():
        found = run_json("prune", file, "--older-than", age)["ages"]["older_than"]
        time = parse_time(found)
        assert time is not None
        assert round((datetime.now(timezone.utc) - time) / timedelta(hours=1)) == expected


def test_irreproducible_deletes_all_irreproducible_results(file: Path | str) -> None:
    assert run_json("prune", file, "--irreproducible")["removed"] == {IRREPRODUCIBLE: 2}
    assert rows(file, IRREPRODUCIBLE) == set()
    assert len(transformations(file)) == 4


def test_irreproducible_results_are_deleted_by_age(file: Path | str) -> None:
    run_json("prune", file, "--irreproducible", "--older-than", "2025-01-01")
    assert {row[1] for row in rows(file, IRREPRODUCIBLE)} == checksums("irreproducible later")
    assert len(transformations(file)) == 4


def test_all_rows_with_a_listed_checksum_are_deleted(file: Path | str, tmp_path: Path) -> None:
    listing = tmp_path / "list.txt"
    listing.write_text(f"# a bad result\n\n{checksum('a').upper()}  # from the broken node\n")
    removed = run_json("prune", file, "--checksums", listing)["removed"]
    assert removed == {
        "transformation": 2,
        "rev_transformation": 2,
        "meta_data": 2,
        "buffer_info": 1,
        "expression": 2,
        "syntactic_to_semantic": 1,
    }
    assert run_json("check", file)["clean"]


def test_a_listed_transformation_is_deleted_with_its_reverse_row(file: Path | str) -> None:
    run_json("prune", file, "--checksums", "-", stdin=checksum("bare"))
    assert transformations(file) == checksums("old", "new", "undated")
    assert run_json("check", file)["clean"]


def test_a_list_with_an_invalid_line_changes_nothing(file: Path | str) -> None:
    before = state(file)
    done = admin("prune", file, "--checksums", "-", stdin=f"{checksum('a')}\nabc\n")
    assert done.status == 1
    assert "line 2" in done.err
    assert state(file) == before


def test_more_rows_than_a_batch_are_deleted(file: Path | str) -> None:
    date = "2020-01-01"
    put(file, *(metadata(number, "many", finished_at=date) for number in range(1100)))
    assert (
        run_json("prune", file, "--older-than", "2025-01-01")["removed"]["transformation"] == 1101
    )
    assert run_json("check", file)["clean"]


def test_a_dry_run_reports_the_same_and_changes_nothing(file: Path | str) -> None:
    before = state(file)
    planned = run_json("prune", file, "--older-than", "2025-01-01", "--dry-run")["removed"]
    assert state(file) == before
    assert run_json("prune", file, "--older-than", "2025-01-01")["removed"] == planned
