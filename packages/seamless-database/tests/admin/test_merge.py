from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest
from admin_samples import (
    FIXTURES,
    admin,
    buffer_info,
    contents,
    expression,
    metadata,
    probe,
    put,
    put_irreproducible,
    rows,
    run_json,
    semantic_to_syntactic,
    sql,
    transformation,
)
from database_samples import checksum
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

IRREPRODUCIBLE = "irreproducible_transformation"
Requests = list[dict[str, Any]]

keys = st.integers(0, 4)
results = st.sampled_from("ab")
#: requests that fill a file, with conflicts between the files
requests = st.lists(
    st.one_of(
        st.builds(transformation, keys, results),
        st.builds(metadata, keys, results),
        st.builds(put_irreproducible, keys, results),
    ),
    max_size=12,
)
#: requests without conflicts: the key determines the value
without_conflicts = st.lists(
    st.one_of(
        keys.map(lambda key: metadata(key, ("of", key))),
        keys.map(lambda key: transformation(("t", key), ("of", key))),
        keys.map(lambda key: expression(key, ("of", key))),
        keys.map(lambda key: buffer_info(key, length=key)),
        st.builds(semantic_to_syntactic, keys, results),
        keys.map(lambda key: probe(f"node {key}", key, "2026-01-01")),
    ),
    max_size=12,
)
SETTINGS = settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))


def create_file(folder: Path, name: str, requests_of_file: Requests) -> Path:
    """Create a file with what a server stores for these requests."""
    from seamless_database import Database
    from seamless_database.errors import DatabaseError

    file = folder / f"{name}.db"
    with Database(file, writable=True) as database:
        for request in requests_of_file:
            try:
                database.put(request)
            except DatabaseError:
                # the server refuses a request in conflict with a stored row
                continue
    return file


def merged(folder: Path, name: str, *files: Path) -> tuple[dict[str, Any], Path]:
    target = folder / f"{name}.db"
    return run_json("merge", *files, "--into", target), target


def pairs(file: Path) -> set[tuple[str, str]]:
    return {(row[1], row[0]) for row in rows(file, IRREPRODUCIBLE)}


@given(without_conflicts, without_conflicts)
@SETTINGS
def test_without_conflicts_the_order_does_not_matter(one: Requests, two: Requests) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        a, b = create_file(folder, "a", one), create_file(folder, "b", two)
        report, ab = merged(folder, "ab", a, b)
        _, ba = merged(folder, "ba", b, a)
        assert report["conflicts"] == []
        assert contents(ab) == contents(ba) == contents(create_file(folder, "both", one + two))


@given(requests, requests)
@SETTINGS
def test_results_do_not_depend_on_the_order(one: Requests, two: Requests) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        a, b = create_file(folder, "a", one), create_file(folder, "b", two)
        report, ab = merged(folder, "ab", a, b)
        _, ba = merged(folder, "ba", b, a)
        assert rows(ab, "transformation") == rows(ba, "transformation")
        assert pairs(ab) == pairs(ba)
        assert run_json("check", ab)["clean"]
        # every conflict is reported, and no row is lost
        before = dict(rows(a, "transformation")), dict(rows(b, "transformation"))
        differing = {
            key for key in before[0] if before[0][key] != before[1].get(key, before[0][key])
        }
        reported = {row["checksum"] for row in report["conflicts"]}
        assert differing <= reported
        after = rows(ab, "transformation") | pairs(ab)
        assert rows(a, "transformation") | rows(b, "transformation") <= after
        assert pairs(a) | pairs(b) <= pairs(ab)


@given(requests, requests)
@SETTINGS
def test_merging_again_changes_nothing(one: Requests, two: Requests) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        a, b = create_file(folder, "a", one), create_file(folder, "b", two)
        _, same = merged(folder, "same", a, a)
        _, ab = merged(folder, "ab", a, b)
        report, again = merged(folder, "again", ab, b, a, ab)
        assert contents(same) == contents(a)
        assert contents(again) == contents(ab)
        assert report["conflicting_results"] == 0


def test_a_file_and_a_postgresql_are_merged(tmp_path: Path, postgresql: str) -> None:
    a = create_file(tmp_path, "a", [metadata(1, "a"), expression(1, "a"), buffer_info(1, length=5)])
    b = create_file(
        tmp_path, "b", [metadata(1, "b"), expression(1, "b"), buffer_info(1, dtype="x")]
    )
    report, expected = merged(tmp_path, "ab", a, b)
    run_json("copy", b, postgresql)
    again = run_json("merge", a, postgresql, "--into", tmp_path / "c.db")
    assert again["conflicts"] == report["conflicts"]
    assert contents(tmp_path / "c.db") == contents(expected)


def test_files_are_merged_into_a_postgresql(tmp_path: Path, postgresql: str) -> None:
    a = create_file(tmp_path, "a", [metadata(1, "a"), expression(1, "a"), buffer_info(1, length=5)])
    b = create_file(
        tmp_path, "b", [metadata(1, "b"), expression(1, "b"), buffer_info(1, dtype="x")]
    )
    report, expected = merged(tmp_path, "ab", a, b)
    again = run_json("merge", a, b, "--into", postgresql)
    assert again["conflicts"] == report["conflicts"]
    assert contents(postgresql) == contents(expected)
    assert run_json("check", postgresql)["clean"]


def test_conflicting_results_become_irreproducible_with_their_records(tmp_path: Path) -> None:
    a = create_file(tmp_path, "a", [metadata(1, "a")])
    b = create_file(tmp_path, "b", [metadata(1, "b")])
    report, target = merged(tmp_path, "ab", a, b)
    assert report["conflicting_results"] == 1
    assert report["conflicts"] == [
        {
            "kind": "conflicting_results",
            "checksum": checksum(1),
            "values": [checksum("a"), checksum("b")],
        }
    ]
    assert rows(target, "transformation") == rows(target, "meta_data") == set()
    assert pairs(target) == {(checksum(1), checksum("a")), (checksum(1), checksum("b"))}
    kept = {row[2] for row in rows(target, IRREPRODUCIBLE)}
    assert kept == {row[2] for file in (a, b) for row in rows(file, "meta_data")}


def test_a_third_result_becomes_irreproducible_too(tmp_path: Path) -> None:
    files = [create_file(tmp_path, name, [transformation(1, name)]) for name in "abc"]
    _, target = merged(tmp_path, "all", *files)
    assert pairs(target) == {(checksum(1), checksum(name)) for name in "abc"}


def test_a_result_that_is_irreproducible_in_another_file_is_removed(tmp_path: Path) -> None:
    a = create_file(tmp_path, "a", [metadata(1, "a")])
    b = create_file(tmp_path, "b", [transformation(1, "a"), put_irreproducible(1, "a")])
    report, target = merged(tmp_path, "ab", a, b)
    assert report["irreproducible_elsewhere"] == 1
    assert rows(target, "transformation") == set()
    ((_, _, text),) = rows(target, IRREPRODUCIBLE)
    assert {row[2] for row in rows(a, "meta_data")} == {text}


def test_a_result_that_was_irreproducible_before_is_not_stored(tmp_path: Path) -> None:
    a = create_file(tmp_path, "a", [transformation(1, "a"), put_irreproducible(1, "a")])
    b = create_file(tmp_path, "b", [metadata(1, "b")])
    report, target = merged(tmp_path, "ab", a, b)
    assert report["irreproducible_elsewhere"] == 1
    assert rows(target, "transformation") == rows(target, "meta_data") == set()
    assert pairs(target) == {(checksum(1), checksum("a")), (checksum(1), checksum("b"))}


def test_of_different_records_the_first_is_kept(tmp_path: Path) -> None:
    a = create_file(tmp_path, "a", [metadata(1, "a", note="first")])
    b = create_file(tmp_path, "b", [metadata(1, "a", note="second")])
    report, target = merged(tmp_path, "ab", a, b)
    assert report["conflicting_records"] == 1
    assert rows(target, "meta_data") == rows(a, "meta_data")


def test_buffer_info_is_merged_field_by_field(tmp_path: Path) -> None:
    a = create_file(tmp_path, "a", [buffer_info(1, length=5, dtype="int8")])
    b = create_file(tmp_path, "b", [buffer_info(1, length=6, encoding="utf-8")])
    report, target = merged(tmp_path, "ab", a, b)
    both = put(tmp_path / "c.db", buffer_info(1, length=5, dtype="int8", encoding="utf-8"))
    assert report["conflicting_buffer_info"] == 1
    assert rows(target, "buffer_info") == rows(both, "buffer_info")


def test_of_different_expressions_the_first_is_kept_and_reported(tmp_path: Path) -> None:
    a = create_file(tmp_path, "a", [expression(1, "a")])
    b = create_file(tmp_path, "b", [expression(1, "b")])
    report, target = merged(tmp_path, "ab", a, b)
    assert report["conflicting_expressions"] == 1
    assert rows(target, "expression") == rows(a, "expression")


def test_of_two_probes_the_latest_is_kept(tmp_path: Path) -> None:
    a = create_file(tmp_path, "a", [probe("node", "old", "2026-01-01T00:00:00Z")])
    b = create_file(tmp_path, "b", [probe("node", "new", "2026-01-01T02:00:00+01:00")])
    for name, files in (("ab", (a, b)), ("ba", (b, a))):
        _, target = merged(tmp_path, name, *files)
        assert rows(target, "bucket_probe") == rows(b, "bucket_probe")


def test_of_two_probes_with_equal_times_the_first_is_kept(tmp_path: Path) -> None:
    a = create_file(tmp_path, "a", [probe("node", "one", "2026-01-01T00:00:00Z")])
    b = create_file(tmp_path, "b", [probe("node", "two", "2026-01-01T01:00:00+01:00")])
    for name, files in (("ab", (a, b)), ("ba", (b, a))):
        _, target = merged(tmp_path, name, *files)
        assert rows(target, "bucket_probe") == rows(files[0], "bucket_probe")


@pytest.mark.parametrize("moment", ["noon", ""])
def test_of_two_probes_the_first_is_kept_if_one_has_no_time(tmp_path: Path, moment: str) -> None:
    a = create_file(tmp_path, "a", [probe("node", "one", "2026-01-01T00:00:00Z")])
    b = create_file(tmp_path, "b", [probe("node", "two", "2026-01-01T00:00:00Z")])
    sql(b, "UPDATE bucket_probe SET captured_at = ?", moment)
    for name, files in (("ab", (a, b)), ("ba", (b, a))):
        _, target = merged(tmp_path, name, *files)
        assert rows(target, "bucket_probe") == rows(files[0], "bucket_probe")


def test_a_record_that_only_a_later_file_has_is_added_to_the_irreproducible_result(
    tmp_path: Path,
) -> None:
    bare = create_file(tmp_path, "bare", [transformation(1, "a"), put_irreproducible(1, "a")])
    full = create_file(tmp_path, "full", [metadata(1, "a"), put_irreproducible(1, "a")])
    other = create_file(
        tmp_path, "other", [metadata(1, "a", note="other"), put_irreproducible(1, "a")]
    )
    for number, files in enumerate([(bare, full), (full, bare), (bare, bare, full, full)]):
        report, target = merged(tmp_path, f"target{number}", *files)
        assert rows(target, IRREPRODUCIBLE) == rows(full, IRREPRODUCIBLE)
        assert report["conflicts"] == []
    report, target = merged(tmp_path, "last", bare, full, other)
    assert rows(target, IRREPRODUCIBLE) == rows(full, IRREPRODUCIBLE)
    assert report["conflicting_records"] == 1


def test_of_duplicate_rows_in_one_file_the_one_with_a_record_is_taken(
    tmp_path: Path,
) -> None:
    a = create_file(tmp_path, "a", [metadata(1, "a"), put_irreproducible(1, "a")])
    expected = rows(a, IRREPRODUCIBLE)
    for number in (0, 99):
        sql(
            a,
            "INSERT INTO irreproducible_transformation (id, result, checksum, metadata) "
            "VALUES (?, ?, ?, '\"\"')",
            number,
            checksum("a"),
            checksum(1),
        )
    report, target = merged(tmp_path, "target", a)
    assert rows(target, IRREPRODUCIBLE) == expected
    assert len(sql(target, f"SELECT * FROM {IRREPRODUCIBLE}")) == 1
    assert report["conflicts"] == []


def test_each_record_of_conflicting_results_is_kept_once(tmp_path: Path) -> None:
    a = create_file(tmp_path, "a", [metadata(1, "a")])
    b = create_file(tmp_path, "b", [transformation(1, "b")])
    c = create_file(tmp_path, "c", [metadata(1, "b")])
    _, target = merged(tmp_path, "target", a, b, c)
    with_records = {(row[0], row[2]) for row in rows(target, IRREPRODUCIBLE)}
    assert with_records == {(r[1], r[2]) for f in (a, c) for r in rows(f, "meta_data")}


def test_stale_rows_of_published_servers_are_left_out(tmp_path: Path) -> None:
    a = create_file(tmp_path, "a", [metadata(1, "a")])
    sql(a, "UPDATE transformation SET result = ?", checksum("b"))
    _, target = merged(tmp_path, "target", a)
    assert rows(target, "transformation") == {(checksum(1), checksum("b"))}
    assert rows(target, "rev_transformation") == {(checksum("b"), checksum(1))}
    assert rows(target, "meta_data") == set()


def test_more_rows_than_a_batch_are_merged(tmp_path: Path) -> None:
    a = create_file(tmp_path, "a", [transformation(number, "a") for number in range(700)])
    b = create_file(tmp_path, "b", [transformation(number, "b") for number in range(600, 1300)])
    report, target = merged(tmp_path, "ab", a, b)
    assert report["conflicting_results"] == len(report["conflicts"]) == 100
    assert len(rows(target, "transformation")) == 1200


def test_conflicts_after_the_first_hundred_are_only_counted(tmp_path: Path) -> None:
    a, b = (
        create_file(tmp_path, name, [transformation(number, name) for number in range(150)])
        for name in "ab"
    )
    report, _ = merged(tmp_path, "ab", a, b)
    assert (report["conflicting_results"], len(report["conflicts"])) == (150, 100)
    assert len({row["checksum"] for row in report["conflicts"]}) == 100


def test_a_dry_run_reports_and_writes_nothing(tmp_path: Path) -> None:
    a, b = (create_file(tmp_path, name, [transformation(1, name)]) for name in "ab")
    target = tmp_path / "target.db"
    report = run_json("merge", a, b, "--into", target, "--dry-run")
    assert report["conflicting_results"] == 1
    assert sorted(tmp_path.iterdir()) == [a, b]


def test_a_source_cannot_be_the_target(tmp_path: Path) -> None:
    a = create_file(tmp_path, "a", [transformation(1, "a")])
    before = a.read_bytes()
    assert admin("merge", a, "--into", a).status == 1
    assert a.read_bytes() == before


def test_files_of_published_servers_can_be_merged(tmp_path: Path) -> None:
    files = []
    for name, fixture in FIXTURES.items():
        if not fixture.is_file():
            pytest.skip(f"the shared fixture {name} is not beside this checkout")
        files.append(Path(shutil.copy(fixture, tmp_path)))
        files[-1].chmod(0o644)
        run_json("migrate", files[-1])
    _, target = merged(tmp_path, "target", *files)
    assert run_json("check", target)["clean"]
    assert rows(target, "transformation") >= rows(files[0], "transformation")


def test_a_record_that_is_not_text_differs_from_every_other(tmp_path: Path) -> None:
    sound, damaged = (put(tmp_path / name, metadata(1, "a")) for name in ("one.db", "two.db"))
    sql(damaged, "UPDATE meta_data SET metadata = x'7bff'")
    findings, target = merged(tmp_path, "merged", sound, damaged)
    assert findings["conflicting_records"] == 1
    assert rows(target, "meta_data") == rows(sound, "meta_data")
