from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from admin_samples import (
    COMMAND,
    FIXTURES,
    Target,
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
    state,
    transformation,
)
from database_samples import checksum
from database_server import TIMEOUT, Server
from database_targets import BACK_ENDS

from seamless_database.admin.errors import TargetExistsError
from seamless_database.errors import DatabaseError, ServerError
from seamless_database.storage.open import open_database

#: all directions except from PostgreSQL to PostgreSQL
TO_POSTGRESQL, TO_FILE, BETWEEN_FILES = "to postgresql", "to a file", "between files"
#: texts that SQLite and PostgreSQL could store or sort differently
UNUSUAL_TEXTS = ("\0", "\0\x01", "\x01", "\x02", "é", "Z", "a", "\uffff", "\U0001f600")
DIRECTIONS = (TO_POSTGRESQL, TO_FILE, BETWEEN_FILES)


def fill_database(where: Target) -> Target:
    return put(
        where,
        metadata(1, "a"),
        transformation(2, "a"),
        metadata(3, "b"),
        put_irreproducible(3, "b"),
        buffer_info("a", length=5),
        expression("a", "c"),
        semantic_to_syntactic("a", "d"),
        probe("node", "e", "noon"),
        *(
            probe(f"node {text}", "e", "noon")
            for text in ["\x00", "\x01", "\x02", "é", "\uffff", "😀"]
        ),
    )


@pytest.fixture(params=DIRECTIONS)
def pair(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path | str, Path | str]:
    """A source with rows, and an empty target."""

    def other(direction: str, name: str) -> Path | str:
        if request.param == direction:
            return str(request.getfixturevalue("postgresql"))
        return tmp_path / name

    return fill_database(other(TO_FILE, "source.db")), other(TO_POSTGRESQL, "target.db")


Pair = tuple[Path | str, Path | str]


def counts(findings: dict[str, Any], field: str) -> dict[str, int]:
    return {row["table"]: row[field] for row in findings["tables"]}


def test_all_rows_are_copied_in_every_direction(pair: Pair) -> None:
    findings = run_json("copy", *pair)
    assert findings["verified"]
    assert contents(pair[1]) == contents(pair[0])
    assert set(counts(findings, "already_there").values()) == {0}


def test_a_copy_can_be_read_and_written_like_the_original(pair: Pair) -> None:
    run_json("copy", *pair)
    with open_database(pair[1], writable=True) as database:
        assert database.get({"type": "transformation", "checksum": checksum(1)}) == checksum("a")
        database.put(transformation(9, "a"))
        database.put(put_irreproducible(2, "a"))
        answer = database.get({"type": "rev_transformations", "checksum": checksum("a")})
    assert checksum(9) in str(answer)
    assert run_json("check", pair[1])["clean"]


def test_a_second_copy_adds_nothing(pair: Pair) -> None:
    first = run_json("copy", *pair)
    before = contents(pair[1])
    again = run_json("copy", *pair)
    assert counts(again, "already_there") == counts(first, "rows")
    assert counts(again, "sha256") == counts(first, "sha256")
    assert contents(pair[1]) == before


def test_a_copy_to_postgresql_and_back_is_the_same(tmp_path: Path, postgresql: str) -> None:
    file, back = fill_database(tmp_path / "source.db"), tmp_path / "back.db"
    there = run_json("copy", file, postgresql)
    back_again = run_json("copy", postgresql, back)
    assert counts(there, "sha256") == counts(back_again, "sha256")
    assert contents(back) == contents(file)


def test_rows_added_to_the_source_are_in_the_next_copy(pair: Pair) -> None:
    run_json("copy", *pair)
    put(pair[0], transformation("later", "b"), metadata("later still", "c"))
    run_json("copy", *pair)
    assert contents(pair[1]) == contents(pair[0])


def test_a_new_file_has_the_schema_of_a_file_of_a_server(tmp_path: Path, postgresql: str) -> None:
    target = tmp_path / "target.db"
    run_json("copy", fill_database(postgresql), target)
    new = put(tmp_path / "new.db")
    query = "SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY name"
    assert sql(target, query) == sql(new, query)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new.db", "target.db"]


def test_a_dry_run_reports_the_rows_and_writes_nothing(pair: Pair, tmp_path: Path) -> None:
    before = sorted(tmp_path.iterdir())
    findings = run_json("copy", *pair, "--dry-run")
    assert not findings["verified"]
    assert counts(findings, "rows")["transformation"] == 2
    assert sorted(tmp_path.iterdir()) == before
    if isinstance(pair[1], str):
        assert "none of the tables" in admin("stats", pair[1]).err


def test_a_dry_run_reports_the_rows_that_exist(pair: Pair) -> None:
    run_json("copy", *pair)
    put(pair[0], transformation(5, "a"))
    findings = run_json("copy", *pair, "--dry-run")
    assert counts(findings, "rows")["transformation"] == 3
    assert counts(findings, "already_there")["transformation"] == 2


@pytest.mark.parametrize(
    "change",
    [
        f"UPDATE transformation SET result = '{checksum('z')}' WHERE checksum = '{checksum(1)}'",
        "INSERT INTO buffer_info VALUES ('0', '{}')",
        f"INSERT INTO buffer_info VALUES ('{'f' * 64}', '{{}}')",
        "UPDATE rev_transformation SET id = id + 100",
    ],
    ids=["a row that differs", "another row before", "another row after", "other numbers"],
)
def test_a_target_with_other_rows_is_refused_and_not_changed(pair: Pair, change: str) -> None:
    run_json("copy", *pair)
    sql(pair[1], change)
    put(pair[0], transformation("later", "b"))
    before = state(pair[1])
    for more in ([], ["--dry-run"]):
        done = admin("copy", *pair, *more)
        assert done.status == 1
        assert "holds other rows than the source" in done.err
        assert done.err.count("\n") == 1
    assert state(pair[1]) == before


def test_a_target_with_some_of_the_rows_gets_the_others(pair: Pair) -> None:
    run_json("copy", *pair)
    missing = checksum("between")
    put(pair[0], *(buffer_info(number, length=number) for number in range(50)))
    run_json("copy", *pair)
    kept = contents(pair[1])
    sql(pair[1], f"DELETE FROM buffer_info WHERE checksum < '{missing}'")
    findings = run_json("copy", *pair)
    assert counts(findings, "already_there")["buffer_info"] < 51
    assert contents(pair[1]) == kept


@pytest.mark.parametrize("back_end", BACK_ENDS)
def test_a_killed_copy_can_be_resumed(back_end: str, tmp_path: Path, postgresql: str) -> None:
    source = put(tmp_path / "source.db", metadata(1, "a"))
    sql(
        source,
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 60000) "
        "INSERT INTO buffer_info SELECT printf('%064x', i), hex(zeroblob(40)) FROM n",
    )
    target: Path | str = postgresql if back_end == "postgresql" else tmp_path / "target.db"
    process = subprocess.Popen([*COMMAND, "copy", str(source), str(target)])
    first = tmp_path / "target.db.part" if isinstance(target, Path) else target
    deadline = time.monotonic() + TIMEOUT
    while not has_copied_rows(first) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert not (tmp_path / "target.db").exists()
    assert run_json("copy", source, target, "--dry-run")["tables"]
    findings = run_json("copy", source, target)
    assert 0 < counts(findings, "already_there")["buffer_info"] < 60000
    assert findings["verified"]
    assert contents(target) == contents(source)


def test_a_dry_run_reports_the_rows_of_an_interrupted_copy(tmp_path: Path) -> None:
    source, target = put(tmp_path / "source.db", transformation(1, "a")), tmp_path / "target.db"
    part = put(tmp_path / "target.db.part", transformation(1, "a"))
    code = (
        f"import os, sqlite3; c = sqlite3.connect({str(part)!r}, isolation_level=None);"
        "c.execute('PRAGMA cache_size = 5'); c.execute('BEGIN');"
        "c.execute('WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000)'"
        "'INSERT INTO rev_transformation (result, checksum) SELECT hex(i), hex(i) FROM n');"
        f"os.kill(os.getpid(), {int(signal.SIGKILL)})"
    )
    subprocess.run([sys.executable, "-c", code], check=False)
    assert (tmp_path / "target.db.part-journal").exists()
    assert (
        counts(run_json("copy", source, target, "--dry-run"), "already_there")["transformation"]
        == 1
    )


def has_copied_rows(where: Path | str) -> bool:
    """Whether the copy has committed rows."""
    if isinstance(where, Path):
        # the file is locked; the first chunk of rows takes half of these bytes
        return where.exists() and where.stat().st_size > 3_000_000
    if not sql(where, "SELECT 1 FROM pg_tables WHERE tablename = 'buffer_info'"):
        return False
    return bool(sql(where, "SELECT 1 FROM buffer_info LIMIT 1"))


def test_a_database_is_not_copied_to_itself(pair: Pair) -> None:
    source = pair[0]
    done = admin("copy", source, source)
    assert done.status == 1
    assert "as well as the target" in done.err


def test_a_row_that_another_process_changes_during_the_copy_is_an_error(pair: Pair) -> None:
    target = pair[1]
    run_json("copy", *pair)
    # a trigger changes the copied rows, as another process could
    put(pair[0], buffer_info("later", length=1))
    if isinstance(target, str):
        sql(
            target,
            "CREATE FUNCTION spoil() RETURNS trigger LANGUAGE plpgsql AS "
            "'BEGIN NEW.buffer_info = ''{}''; RETURN NEW; END'",
        )
        sql(
            target,
            "CREATE TRIGGER spoil BEFORE INSERT ON buffer_info FOR EACH ROW "
            "EXECUTE FUNCTION spoil()",
        )
    else:
        sql(
            target,
            "CREATE TRIGGER spoil AFTER INSERT ON buffer_info BEGIN "
            "UPDATE buffer_info SET buffer_info = '{}' WHERE checksum = NEW.checksum; END",
        )
    done = admin("copy", *pair)
    assert done.status == 1
    assert "the copy is wrong" in done.err
    assert "buffer_info" in done.err


@pytest.mark.parametrize(
    ("command", "is_file"), [("copy", True), ("copy", False), ("export", False)]
)
@pytest.mark.parametrize("value", ["x'00ff'", "5", "NULL"])
def test_a_source_with_another_value_in_a_text_column_is_refused(
    value: str, command: str, is_file: bool, tmp_path: Path, postgresql: str
) -> None:
    source = put(tmp_path / "source.db", buffer_info(1, length=5))
    # SQLite stores numbers in columns of the type that some published servers declare
    sql(source, "DROP TABLE buffer_info")
    sql(source, "CREATE TABLE buffer_info (checksum TEXT PRIMARY KEY, buffer_info JSON)")
    sql(source, f"INSERT INTO buffer_info VALUES ('a', {value})")
    done = admin(command, source, tmp_path / "target.db" if is_file else postgresql)
    assert done.status == 1
    assert "holds bytes, a number or NULL for a text" in done.err
    assert "on the source" in done.err


@pytest.mark.parametrize("back_end", BACK_ENDS)
def test_text_that_is_not_utf8_is_refused(back_end: str, tmp_path: Path, postgresql: str) -> None:
    source = put(tmp_path / "source.db", buffer_info(1, length=5))
    sql(source, "UPDATE buffer_info SET buffer_info = CAST(x'22ff22' AS TEXT)")
    done = admin("copy", source, postgresql if back_end == "postgresql" else tmp_path / "target.db")
    assert done.status == 1
    assert f"database file {source}: Could not decode to UTF-8" in done.err


def test_a_source_in_use_by_a_server_is_copied(tmp_path: Path, postgresql: str) -> None:
    source = fill_database(tmp_path / "source.db")
    with Server(source) as server:
        assert server.put("transformation", checksum="aa" * 32, value="bb" * 32).status == 200
        assert run_json("copy", source, postgresql)["verified"]
        assert server.put("transformation", checksum="ab" * 32, value="bb" * 32).status == 200
    assert ("aa" * 32, "bb" * 32) in rows(postgresql, "transformation")


def test_servers_cannot_write_to_a_locked_postgresql(postgresql: str) -> None:
    from seamless_database.admin.access import postgresql as access
    from seamless_database.storage.postgresql import database as served
    from seamless_database.storage.postgresql.url import PostgresUrl

    fill_database(postgresql)
    address = PostgresUrl.of(postgresql)
    with served.PostgresDatabase(address, writable=True, lock_wait=0.1) as database:
        with access.open_exclusive(address):
            assert database.get({"type": "transformation", "checksum": checksum(1)})
            with pytest.raises(DatabaseError, match="lock"):
                database.put(transformation(8, "a"))
        database.put(transformation(8, "a"))


def test_a_command_that_cannot_lock_servers_out_reports_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, postgresql: str
) -> None:
    from seamless_database.admin.access import postgresql as access
    from seamless_database.storage.postgresql.url import PostgresUrl

    source = fill_database(tmp_path / "source.db")
    monkeypatch.setattr(access, "LOCK_WAIT", 0.1)
    put(postgresql)
    with access.open_exclusive(PostgresUrl.of(postgresql)):
        done = admin("copy", source, postgresql)
    assert done.status == 1
    assert "servers are writing to it" in done.err


def test_a_postgresql_numbers_new_rows_after_the_copied_ones(
    tmp_path: Path, postgresql: str
) -> None:
    # more rows than a write has attempts
    source = put(tmp_path / "source.db", *(transformation(number, "a") for number in range(10)))
    run_json("copy", source, postgresql)
    put(postgresql, transformation(10, "a"))
    assert len(rows(postgresql, "rev_transformation")) == 11


def test_rows_that_were_added_meanwhile_keep_a_postgresql_from_being_loaded(
    postgresql: str,
) -> None:
    from seamless_database.admin.access import postgresql as access
    from seamless_database.storage.postgresql.url import PostgresUrl

    put(postgresql, transformation(1, "a"))
    with (
        pytest.raises(TargetExistsError),
        access.open_for_load(PostgresUrl.of(postgresql)),
    ):
        pytest.fail("it holds rows")


def test_a_database_is_not_changed_without_the_lock(
    monkeypatch: pytest.MonkeyPatch, postgresql: str
) -> None:
    from seamless_database.admin.access import postgresql as access
    from seamless_database.storage.postgresql.url import PostgresUrl

    put(postgresql)
    monkeypatch.setattr(access, "LOCK_EVERYTHING", "SELECT pg_terminate_backend(pg_backend_pid())")
    with pytest.raises(ServerError), access.open_exclusive(PostgresUrl.of(postgresql)):
        pytest.fail("it has no lock")


@pytest.mark.parametrize("name", [name for name in FIXTURES if "legacy-filled" not in name])
def test_files_of_published_servers_are_copied_to_postgresql(
    name: str, tmp_path: Path, postgresql: str
) -> None:
    if not FIXTURES[name].is_file():
        pytest.skip(f"the shared fixture {name} is not beside this checkout")
    file = tmp_path / name
    file.write_bytes(FIXTURES[name].read_bytes())
    run_json("copy", file, postgresql)
    copied = contents(postgresql)
    for table, stored in contents(file).items():
        if rows(file, table):
            assert copied[table] == stored
