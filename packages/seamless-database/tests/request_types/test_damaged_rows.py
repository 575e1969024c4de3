"""Damaged rows: a miss, logged once, and replaced by a PUT."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from database_samples import record
from database_server import Server
from database_targets import DatabaseUnderTest

from seamless_database.request_types.damage import _log

if TYPE_CHECKING:
    from pathlib import Path

    from seamless_database.storage.backend import Backend

from request_samples import ONE, TF, TWO, get, put

PROBE = {"bucket_kind": "node", "label": "n"}
PROBED = {"bucket_checksum": ONE, "captured_at": "noon", "freshness_tokens": {"a": 1}}
MEANING = {"checksum": ONE, "celltype": "python", "subcelltype": "x"}
EXPRESSION = {"checksum": TF, "path": ["a"], "celltype": "mixed", "target_celltype": "plain"}
RECORD = record(TF, ONE)

#: SQL for what a column holds instead of a JSON object
NO_OBJECTS = [
    "''",
    "'not JSON'",
    """'{"a": 1'""",
    """'{"a": 1} {'""",
    """'{"a": 1e}'""",
    """'{"a": "\n"}'""",
    "'[1]'",
    """'"text"'""",
    "'null'",
    "'NaN'",
    f"""'{{"a": {"9" * 4301}}}'""",
    f"""'{"[" * 3000}'""",
]
NO_CHECKSUMS = ["''", "'abc'", f"'{ONE.upper()}'", f"'{ONE}0'", f"'{'g' * 64}'"]
#: what only SQLite lets a column hold
OF_SQLITE = ["x'7b7d'", "CAST(x'7b22ff227d' AS TEXT)", "5", "0.5"]


def put_record(database: Backend) -> None:
    put(database, "metadata", checksum=TF, result=ONE, value=RECORD)


def held(values: list[str], place: DatabaseUnderTest) -> list[str]:
    """Give values and those that a column holds in SQLite alone, if it is SQLite."""
    return values + OF_SQLITE if place.is_file else values


def damage(place: DatabaseUnderTest, table: str, column: str, value: str) -> None:
    """Put a value, given as SQL, into all rows."""
    place.change(f"UPDATE {table} SET {column} = {value}".replace("%", "%%"))


def test_a_damaged_record_is_a_miss_until_it_is_replaced(
    database: Backend, place: DatabaseUnderTest
) -> None:
    for value in held(NO_OBJECTS, place):
        place.empty()
        put_record(database)
        damage(place, "meta_data", "metadata", value)
        assert get(database, "metadata", checksum=TF) is None
        put_record(database)
        assert get(database, "metadata", checksum=TF) == RECORD
        assert place.count("meta_data") == 1


@pytest.mark.parametrize(("size", "ending"), [(10_000, ""), (10_000, "}"), (1_100_000, "")])
def test_a_large_damaged_record_is_replaced(
    database: Backend, place: DatabaseUnderTest, size: int, ending: str
) -> None:
    place.insert("transformation", TF, ONE)
    place.insert("meta_data", TF, ONE, '{"x":"' + "x" * size + ending)
    assert get(database, "metadata", checksum=TF) is None
    put_record(database)
    assert get(database, "metadata", checksum=TF) == RECORD
    assert place.count("meta_data") == 1


def test_damaged_buffer_info_is_a_miss_until_it_is_replaced(
    database: Backend, place: DatabaseUnderTest
) -> None:
    for value in held(NO_OBJECTS, place):
        place.empty()
        put(database, "buffer_info", checksum=ONE, value={"length": 1})
        damage(place, "buffer_info", "buffer_info", value)
        assert get(database, "buffer_info", checksum=ONE) is None
        assert get(database, "buffer_infos", checksums=[ONE]) == {}
        put(database, "buffer_info", checksum=ONE, value={"length": 2})
        assert get(database, "buffer_info", checksum=ONE) == {"length": 2}


def test_large_damaged_buffer_info_is_replaced(database: Backend, place: DatabaseUnderTest) -> None:
    place.insert("buffer_info", ONE, '{"x": "' + "x" * 1024 * 1024)
    assert get(database, "buffer_info", checksum=ONE) is None
    assert get(database, "buffer_infos", checksums=[ONE]) == {}
    put(database, "buffer_info", checksum=ONE, value={"length": 2})
    assert get(database, "buffer_info", checksum=ONE) == {"length": 2}


@pytest.mark.parametrize("number", ["NaN", "-Infinity", "1e999"])
def test_a_number_beyond_doubles_is_merged_as_null(
    database: Backend, place: DatabaseUnderTest, number: str
) -> None:
    place.insert("buffer_info", ONE, f'{{"x": {number}, "y": "NaN"}}')
    put(database, "buffer_info", checksum=ONE, value={"length": 2})
    assert get(database, "buffer_info", checksum=ONE) == {"x": None, "y": "NaN", "length": 2}


@pytest.mark.parametrize("column", ["freshness_tokens", "bucket_checksum", "captured_at"])
def test_a_damaged_probe_is_a_miss_until_it_is_replaced(
    database: Backend, place: DatabaseUnderTest, column: str
) -> None:
    values = {"freshness_tokens": NO_OBJECTS, "bucket_checksum": NO_CHECKSUMS}.get(column, [])
    for value in held(values, place):
        if column == "captured_at" and value[0].isdigit():
            # the column has the affinity TEXT, so SQLite stores a text
            continue
        put(database, "bucket_probe", **PROBE, **PROBED)
        damage(place, "bucket_probe", column, value)
        assert get(database, "bucket_probe", **PROBE) is None
        put(database, "bucket_probe", **PROBE, **PROBED)
        assert get(database, "bucket_probe", **PROBE) == {**PROBE, **PROBED}


def test_a_damaged_record_of_an_irreproducible_result_counts_as_none(
    database: Backend, place: DatabaseUnderTest
) -> None:
    for value in held(NO_OBJECTS, place):
        place.empty()
        put_record(database)
        put(database, "irreproducible", checksum=TF, result=ONE)
        damage(place, "irreproducible_transformation", "metadata", value)
        row = {"checksum": TF, "result": ONE, "metadata": ""}
        assert get(database, "irreproducible", checksum=TF) == [row]
        place.insert("transformation", TF, ONE)
        place.insert("meta_data", TF, ONE, json.dumps(RECORD))
        put(database, "irreproducible", checksum=TF, result=ONE)
        assert get(database, "irreproducible", checksum=TF) == [{**row, "metadata": RECORD}]
        assert place.count("irreproducible_transformation") == 1


def test_a_damaged_irreproducible_result_is_left_out(
    database: Backend, place: DatabaseUnderTest
) -> None:
    for value in held(NO_CHECKSUMS, place):
        place.empty()
        put(database, "irreproducible", checksum=TF, result=ONE)
        damage(place, "irreproducible_transformation", "result", value)
        assert get(database, "irreproducible", checksum=TF) is None
        put(database, "irreproducible", checksum=TF, result=TWO)
        (row,) = get(database, "irreproducible", checksum=TF)
        assert row["result"] == TWO


@pytest.mark.parametrize("kind", ["transformation", "metadata"])
def test_a_damaged_result_is_a_miss_until_it_is_replaced(
    database: Backend, place: DatabaseUnderTest, kind: str
) -> None:
    for value in held(NO_CHECKSUMS, place):
        place.empty()
        put(database, "transformation", checksum=TF, value=TWO)
        damage(place, "transformation", "result", value)
        assert get(database, "transformation", checksum=TF) is None
        assert get(database, "transformations", checksums=[TF]) == {}
        if kind == "metadata":
            put_record(database)
        else:
            put(database, "transformation", checksum=TF, value=ONE)
        assert get(database, "transformation", checksum=TF) == ONE
        assert get(database, "rev_transformations", checksum=ONE) == [TF]
        assert get(database, "rev_transformations", checksum=TWO) is None


@pytest.mark.parametrize("kind", ["transformation", "metadata", "irreproducible"])
def test_the_record_of_a_damaged_result_is_not_lost(
    database: Backend, place: DatabaseUnderTest, kind: str
) -> None:
    put_record(database)
    damage(place, "transformation", "result", "'damaged'")
    assert get(database, "metadata", checksum=TF) is None
    if kind == "transformation":
        put(database, "transformation", checksum=TF, value=ONE)
    elif kind == "metadata":
        put_record(database)
    else:
        put(database, "irreproducible", checksum=TF, result=ONE)
        (row,) = get(database, "irreproducible", checksum=TF)
        assert row["metadata"] == RECORD
        assert place.count("transformation") == place.count("meta_data") == 0
        return
    assert get(database, "metadata", checksum=TF) == RECORD


def test_a_damaged_transformation_is_left_out_of_a_list(
    database: Backend, place: DatabaseUnderTest
) -> None:
    put(database, "transformation", checksum=TF, value=ONE)
    place.insert("transformation", "damaged", ONE)
    assert get(database, "rev_transformations", checksum=ONE) == [TF]
    place.change(f"DELETE FROM transformation WHERE checksum = '{TF}'")
    assert get(database, "rev_transformations", checksum=ONE) is None


def test_damaged_meanings_are_left_out(database: Backend, place: DatabaseUnderTest) -> None:
    for value in held(NO_CHECKSUMS, place):
        place.empty()
        put(database, "semantic_to_syntactic", **MEANING, value=[TF])
        damage(place, "syntactic_to_semantic", "syntactic", value)
        assert get(database, "semantic_to_syntactic", **MEANING) is None
        put(database, "semantic_to_syntactic", **MEANING, value=[TWO])
        assert get(database, "semantic_to_syntactic", **MEANING) == [TWO]
        damage(place, "syntactic_to_semantic", "semantic", value)
        assert get(database, "syntactic_to_semantic", **{**MEANING, "checksum": TWO}) is None


def test_a_damaged_expression_is_a_miss_until_it_is_replaced(
    database: Backend, place: DatabaseUnderTest
) -> None:
    for value in held(NO_CHECKSUMS, place):
        place.empty()
        put(database, "expression", **EXPRESSION, value=ONE)
        damage(place, "expression", "result", value)
        assert get(database, "expression", **EXPRESSION) is None
        put(database, "expression", **EXPRESSION, value=ONE)
        assert get(database, "expression", **EXPRESSION) == ONE


@pytest.mark.parametrize("column", ["input_checksum", "path", "celltype", "target_celltype"])
def test_a_damaged_expression_is_left_out_of_a_list(
    database: Backend, place: DatabaseUnderTest, column: str
) -> None:
    values = {"input_checksum": NO_CHECKSUMS, "path": ["''", "'a'", "'[\"a\"'"]}.get(column, [])
    if place.is_file:
        values = [*values, "CAST(x'ff' AS TEXT)", "x'41'"]
    for value in values:
        place.empty()
        put(database, "expression", **EXPRESSION, value=ONE)
        damage(place, "expression", column, value)
        assert get(database, "rev_expression", checksum=ONE) is None
        put(database, "expression", **EXPRESSION, value=ONE)
        assert get(database, "rev_expression", checksum=ONE) == [{**EXPRESSION, "result": ONE}]


def test_nan_in_a_published_path_is_returned_as_null(
    database: Backend, place: DatabaseUnderTest
) -> None:
    place.insert("expression", TF, '["NaN", NaN]', "mixed", "plain", None, None, ONE)
    (row,) = get(database, "rev_expression", checksum=ONE)
    assert row["path"] == ["NaN", None]


@pytest.mark.parametrize("number", ["NaN", "-Infinity"])
def test_nan_in_a_record_or_a_probe_is_returned_as_null(
    database: Backend, place: DatabaseUnderTest, number: str
) -> None:
    text = f'{{"a": {number}, "b": "\\" {number}"}}'
    place.insert("transformation", TF, ONE)
    place.insert("meta_data", TF, ONE, text)
    place.insert("irreproducible_transformation", None, TWO, TWO, text)
    place.insert("bucket_probe", "node", "n", ONE, "noon", text)
    wanted = {"a": None, "b": f'" {number}'}
    assert get(database, "metadata", checksum=TF) == wanted
    (row,) = get(database, "irreproducible", checksum=TWO)
    assert row["metadata"] == wanted
    assert get(database, "bucket_probe", **PROBE)["freshness_tokens"] == wanted


def test_nan_within_strings_is_unchanged(database: Backend, place: DatabaseUnderTest) -> None:
    text = '{ "a" :  "NaN, Infinity", "b":1e5,"c":-0.0 }'
    place.insert("transformation", TF, ONE)
    place.insert("meta_data", TF, ONE, text)
    assert database.get({"type": "metadata", "checksum": TF}) == text


@pytest.mark.parametrize(
    ("column", "request_", "key"),
    [
        ("transformation.result", {"type": "transformation", "checksum": TF}, TF),
        ("transformation.checksum", {"type": "rev_transformations", "checksum": ONE}, ONE),
        ("meta_data.metadata", {"type": "metadata", "checksum": TF}, TF),
        (
            "irreproducible_transformation.metadata",
            {"type": "irreproducible", "checksum": TWO},
            TWO,
        ),
        ("irreproducible_transformation.result", {"type": "irreproducible", "checksum": TWO}, TWO),
        ("buffer_info.buffer_info", {"type": "buffer_info", "checksum": ONE}, ONE),
        (
            "syntactic_to_semantic.syntactic",
            {"type": "semantic_to_syntactic", **MEANING},
            ONE,
        ),
        (
            "syntactic_to_semantic.semantic",
            {"type": "syntactic_to_semantic", **MEANING, "checksum": TF},
            TF,
        ),
        ("expression.result", {"type": "expression", **EXPRESSION}, TF),
        ("expression.path", {"type": "rev_expression", "checksum": ONE}, ONE),
        ("expression.input_checksum", {"type": "rev_expression", "checksum": ONE}, ONE),
        ("bucket_probe.bucket_checksum", {"type": "bucket_probe", **PROBE}, "node n"),
        ("bucket_probe.freshness_tokens", {"type": "bucket_probe", **PROBE}, "node n"),
    ],
)
def test_a_damaged_column_is_logged_with_its_table_and_key(
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    column: str,
    request_: dict[str, object],
    key: str,
) -> None:
    _log.cache_clear()
    place = DatabaseUnderTest(str(tmp_path / "seamless.db"))
    with place.open() as database:
        put_record(database)
        put(database, "irreproducible", checksum=TWO, result=TWO)
        put(database, "buffer_info", checksum=ONE, value={"length": 1})
        put(database, "bucket_probe", **PROBE, **PROBED)
        put(database, "semantic_to_syntactic", **MEANING, value=[TF])
        put(database, "expression", **EXPRESSION, value=ONE)
        assert database.get(request_) is not None
        assert not caplog.records
        table, name = column.split(".")
        damage(place, table, name, "'{damaged'")
        for _ in range(2):
            database.get(request_)
    (line,) = [entry.getMessage() for entry in caplog.records]
    assert f"the column {name} of the table {table} is damaged in a row of '{key}'" in line


@pytest.mark.parametrize("column", ["celltype", "target_celltype"])
def test_a_column_without_text_is_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, column: str
) -> None:
    _log.cache_clear()
    place = DatabaseUnderTest(str(tmp_path / "seamless.db"))
    with place.open() as database:
        put(database, "expression", **EXPRESSION, value=ONE)
        damage(place, "expression", column, "x'41'")
        assert get(database, "rev_expression", checksum=ONE) is None
    (line,) = [entry.getMessage() for entry in caplog.records]
    assert f"the column {column} of the table expression is damaged" in line


def test_a_server_logs_a_damaged_row_once_and_replaces_it(tmp_path: Path) -> None:
    place = DatabaseUnderTest(str(tmp_path / "seamless.db"))
    place.open().close()
    place.insert("buffer_info", ONE, "[1]")
    with Server(tmp_path / "seamless.db") as server:
        for _ in range(3):
            assert server.get("buffer_info", checksum=ONE).status == 404
        assert server.put("buffer_info", checksum=ONE, value={"length": 1}).status == 200
        assert server.get("buffer_info", checksum=ONE).json() == {"length": 1}
        _, err = server.stop()
    (line,) = err.splitlines()
    assert "the column buffer_info of the table buffer_info is damaged" in line
    assert ONE in line
