"""The published server can use the files that the administration writes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from admin_samples import (
    buffer_info,
    make_legacy,
    metadata,
    put,
    put_irreproducible,
    run_json,
    sql,
    transformation,
)
from database_samples import checksum, record
from published_server import PublishedServer


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return put(
        tmp_path / "seamless.db",
        metadata(1, "a"),
        transformation(2, "a"),
        metadata(3, "b"),
        put_irreproducible(3, "b"),
        buffer_info("a", length=5),
    )


def assert_usable(file: Path) -> None:
    """Check that the published server answers stored rows, and stores new ones."""
    new, result = checksum("new"), checksum("new result")
    body = record(new, result)
    with PublishedServer(file) as server:
        assert server.get("transformation", checksum=checksum(1)).text == checksum("a")
        reverse = server.get("rev_transformations", checksum=checksum("a")).json()
        assert checksum(1) in reverse
        stored = server.get("metadata", checksum=checksum(1)).json()
        assert stored == record(checksum(1), checksum("a"))
        assert server.put("metadata", checksum=new, result=result, value=body).status == 200
        assert server.get("metadata", checksum=new).json() == body
        assert server.put("irreproducible", checksum=new, result=result).status == 200
    assert sql(file, "PRAGMA integrity_check") == [("ok",)]


def test_an_exported_file(file: Path, tmp_path: Path) -> None:
    run_json("export", file, tmp_path / "copy.db")
    assert_usable(tmp_path / "copy.db")


def test_an_exported_closure(file: Path, tmp_path: Path) -> None:
    run_json("export", file, tmp_path / "copy.db", "--closure", checksum("a"))
    assert_usable(tmp_path / "copy.db")


def test_a_merged_file(file: Path, tmp_path: Path) -> None:
    other = put(tmp_path / "other.db", transformation(2, "another"), metadata(5, "e"))
    run_json("merge", file, other, "--into", tmp_path / "merged.db")
    assert_usable(tmp_path / "merged.db")


def test_a_migrated_file(file: Path) -> None:
    make_legacy(file, {1: json.dumps(record(checksum(1), checksum("a")))})
    run_json("migrate", file)
    assert_usable(file)


def test_a_repaired_and_pruned_file(file: Path) -> None:
    sql(file, "DELETE FROM rev_transformation")
    run_json("check", file, "--repair")
    run_json("prune", file, "--irreproducible")
    assert_usable(file)


def test_a_file_that_a_published_server_has_open_is_copied_and_never_changed(
    file: Path, tmp_path: Path
) -> None:
    with PublishedServer(file) as server:
        run_json("export", file, tmp_path / "copy.db")
        done = run_json("stats", file)
        assert done["file"] == str(file)
        new = server.put("transformation", checksum=checksum("x"), value=checksum("y"))
        assert new.status == 200
    assert sql(tmp_path / "copy.db", "SELECT count(*) FROM transformation") == [(2,)]
