from __future__ import annotations

import re
from pathlib import Path

import pytest
from admin_samples import (
    admin,
    buffer_info,
    expression,
    meaning,
    metadata,
    put,
    put_irreproducible,
    rows,
    run_json,
    state,
    transformation,
)
from database_samples import checksum

CONTESTED = "irreproducible_transformation"


@pytest.fixture
def file(where: Path | str) -> Path | str:
    return put(
        where,
        metadata("old", "a", finished_at="2020-01-01T00:00:00Z"),
        metadata("new", "a", finished_at="2026-01-01T00:00:00Z"),
        metadata("undated", "b"),
        transformation("bare", "b"),
        metadata("contested", "c", finished_at="2020-01-01T00:00:00Z"),
        put_irreproducible("contested", "c"),
        metadata("contested later", "c", finished_at="2026-01-01T00:00:00Z"),
        put_irreproducible("contested later", "c"),
        buffer_info("a", length=1),
        expression("a", "d"),
        expression("e", "a"),
        meaning("a", "f"),
    )


def transformations(file: Path | str) -> set[str]:
    return {row[0] for row in rows(file, "transformation")}


def these(*keys: object) -> set[str]:
    return {checksum(key) for key in keys}


def test_old_results_go_with_their_records_and_reverse_rows(file: Path | str) -> None:
    removed = run_json("prune", file, "--older-than", "2025-01-01")["removed"]
    assert removed == {"rev_transformation": 1, "transformation": 1, "meta_data": 1}
    assert transformations(file) == these("new", "undated", "bare")
    assert run_json("check", file)["clean"]


def test_records_that_tell_no_time_are_kept_and_counted(file: Path | str) -> None:
    ages = run_json("prune", file, "--older-than", "2100-01-01")["ages"]
    assert ages["kept_because_their_record_tells_no_time"] == 1
    assert ages["records_with_a_time"] == 2
    assert transformations(file) == these("undated", "bare")


def test_results_without_a_record_are_kept_and_counted(file: Path | str) -> None:
    put(file, transformation("bare too", "b"))
    done = admin("prune", file, "--older-than", "2025-01-01")
    assert re.search("kept because they have no record +2\n", done.out)
    assert "--without-record" in done.out
    assert transformations(file) == these("new", "undated", "bare", "bare too")


def test_results_without_a_record_go_when_asked_for(file: Path | str) -> None:
    planned = run_json("prune", file, "--without-record", "--dry-run")["removed"]
    assert planned == {"rev_transformation": 1, "transformation": 1}
    assert run_json("prune", file, "--without-record")["removed"] == planned
    assert transformations(file) == these("old", "new", "undated")
    assert run_json("check", file)["clean"]


def test_results_without_a_record_go_with_old_ones(file: Path | str) -> None:
    findings = run_json("prune", file, "--older-than", "2025-01-01", "--without-record")
    assert transformations(file) == these("new", "undated")
    assert findings["ages"]["kept_because_they_have_no_record"] == 0
    assert "advice" not in findings


def test_contested_results_are_not_pruned_with_those_without_a_record(file: Path | str) -> None:
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
    assert transformations(file) == these(*kept)


def test_a_contested_result_dated_exactly_at_the_limit_is_kept(file: Path | str) -> None:
    run_json("prune", file, "--irreproducible", "--older-than", "2020-01-01")
    assert len(rows(file, CONTESTED)) == 2


@pytest.mark.parametrize("count", [499, 500, 1000])
def test_results_that_fill_whole_batches_all_go(file: Path | str, count: int) -> None:
    date = "2019-01-01"
    put(file, *(metadata(number, "many", finished_at=date) for number in range(count)))
    before = transformations(file) - these(*range(count))
    removed = run_json("prune", file, "--older-than", "2020-01-01")["removed"]
    assert removed == dict.fromkeys(("rev_transformation", "transformation", "meta_data"), count)
    assert transformations(file) == before


def test_pruning_again_removes_nothing(file: Path | str) -> None:
    words = ("prune", file, "--older-than", "2025-01-01", "--irreproducible")
    run_json(*words)
    before = state(file)
    assert run_json(*words)["removed"] == {}
    assert state(file) == before


def test_an_age_counts_from_now(file: Path | str) -> None:
    run_json("prune", file, "--older-than", "100y")
    assert len(transformations(file)) == 4
    run_json("prune", file, "--older-than", "0h")
    assert transformations(file) <= these("new", "undated", "bare")


def test_contested_results_go_when_asked_for(file: Path | str) -> None:
    assert run_json("prune", file, "--irreproducible")["removed"] == {CONTESTED: 2}
    assert rows(file, CONTESTED) == set()
    assert len(transformations(file)) == 4


def test_contested_results_can_go_by_age(file: Path | str) -> None:
    run_json("prune", file, "--irreproducible", "--older-than", "2025-01-01")
    assert {row[1] for row in rows(file, CONTESTED)} == these("contested later")
    assert len(transformations(file)) == 4


def test_everything_about_a_listed_checksum_goes(file: Path | str, tmp_path: Path) -> None:
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


def test_a_listed_transformation_takes_its_reverse_row_along(file: Path | str) -> None:
    run_json("prune", file, "--checksums", "-", stdin=checksum("bare"))
    assert transformations(file) == these("old", "new", "undated")
    assert run_json("check", file)["clean"]


def test_a_list_with_a_mistake_changes_nothing(file: Path | str) -> None:
    before = state(file)
    done = admin("prune", file, "--checksums", "-", stdin=f"{checksum('a')}\nabc\n")
    assert done.status == 1
    assert "line 2" in done.err
    assert state(file) == before


def test_more_than_one_transaction_takes_can_go(file: Path | str) -> None:
    date = "2020-01-01"
    put(file, *(metadata(number, "many", finished_at=date) for number in range(1100)))
    assert (
        run_json("prune", file, "--older-than", "2025-01-01")["removed"]["transformation"] == 1101
    )
    assert run_json("check", file)["clean"]


def test_a_dry_run_tells_the_same_and_changes_nothing(file: Path | str) -> None:
    before = state(file)
    planned = run_json("prune", file, "--older-than", "2025-01-01", "--dry-run")["removed"]
    assert state(file) == before
    assert run_json("prune", file, "--older-than", "2025-01-01")["removed"] == planned
