"""Databases for the tests of the administration, and functions that run its command."""

from __future__ import annotations

import io
import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from database_samples import checksum, record
from database_server import TIMEOUT, shared

from seamless_database.admin.access.postgresql import connect_driver
from seamless_database.admin.cli import main
from seamless_database.storage.open import open_database
from seamless_database.storage.postgresql.url import PostgresUrl
from seamless_database.tables import TABLES

if TYPE_CHECKING:
    import pytest

Target = TypeVar("Target", bound="Path | str")

COMMAND = (sys.executable, "-W", "error", "-m", "seamless_database.admin")
FIXTURES = {
    name: shared("protocol", "fixtures", name)
    for name in (
        "filled.db",
        "filled-json-columns.db",
        "legacy-empty-metadata.db",
        "legacy-filled-metadata.db",
    )
}
LEGACY = "CREATE TABLE meta_data (checksum CHAR(64) NOT NULL PRIMARY KEY, metadata TEXT NOT NULL)"


@dataclass(frozen=True)
class CommandResult:
    """The exit code and the output of a command."""

    status: int
    out: str
    err: str

    def json(self) -> Any:
        return json.loads(self.out)


def admin(*words: str | Path, stdin: str = "") -> CommandResult:
    """Run the command in this process, with streams that are not terminals."""
    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(2))
    kept = sys.stdin
    sys.stdin = io.TextIOWrapper(io.BytesIO(stdin.encode()), "utf-8")
    try:
        with redirect_stdout(out), redirect_stderr(err):
            status = main([*map(str, words)])
    finally:
        sys.stdin = kept
    return CommandResult(status, *(_text_of(stream) for stream in (out, err)))


def admin_subprocess(*words: str | Path) -> CommandResult:
    """Run the command in another process, which finds the files of this process in use."""
    done = subprocess.run(
        [*COMMAND, *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
        timeout=TIMEOUT,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return CommandResult(done.returncode, done.stdout, done.stderr)


def _text_of(stream: io.TextIOWrapper) -> str:
    assert isinstance(stream.buffer, io.BytesIO)
    return stream.buffer.getvalue().decode()


def run_json(*words: str | Path, status: int = 0, stdin: str = "") -> Any:
    """Run the command with `--json`, check its exit code, and return the findings."""
    done = admin(*words, "--json", stdin=stdin)
    assert (done.status, done.err) == (status, "")
    return done.json()


def put(where: Target, *requests: dict[str, Any]) -> Target:
    """Store requests as a server does."""
    with open_database(where, writable=True) as database:
        for request in requests:
            database.put(request)
    return where


def transformation(key: object, result: object) -> dict[str, Any]:
    return {"type": "transformation", "checksum": checksum(key), "value": checksum(result)}


def put_irreproducible(key: object, result: object) -> dict[str, Any]:
    return {"type": "irreproducible", "checksum": checksum(key), "result": checksum(result)}


def metadata(key: object, result: object, **changes: object) -> dict[str, Any]:
    value = record(checksum(key), checksum(result), **changes)
    return {
        "type": "metadata", "checksum": checksum(key), "result": checksum(result), "value": value,
    }  # fmt: skip


def expression(source: object, result: object) -> dict[str, Any]:
    return {
        "type": "expression", "checksum": checksum(source), "path": [], "celltype": "mixed",
        "target_celltype": "plain", "value": checksum(result),
    }  # fmt: skip


def buffer_info(key: object, **info: object) -> dict[str, Any]:
    return {"type": "buffer_info", "checksum": checksum(key), "value": info}


def semantic_to_syntactic(syntactic: object, semantic: object) -> dict[str, Any]:
    return {
        "type": "semantic_to_syntactic", "checksum": checksum(semantic), "celltype": "python",
        "subcelltype": "", "value": [checksum(syntactic)],
    }  # fmt: skip


def probe(label: str, key: object, captured_at: str) -> dict[str, Any]:
    return {
        "type": "bucket_probe", "bucket_kind": "node", "label": label,
        "bucket_checksum": checksum(key), "captured_at": captured_at, "freshness_tokens": {},
    }  # fmt: skip


def sql(where: Path | str, statement: str, *values: object) -> list[tuple[Any, ...]]:
    """Run an SQL statement directly on a database."""
    if isinstance(where, str):
        with connect_driver(PostgresUrl.of(where)) as raw:
            cursor = raw.execute(statement.replace("?", "%s").encode(), values)
            return cursor.fetchall() if cursor.description else []
    with closing(sqlite3.connect(where)) as connection:
        rows = connection.execute(statement, values).fetchall()
        connection.commit()
    return rows


def rows(where: Path | str, table: str) -> set[tuple[Any, ...]]:
    """Return the rows of a table, without row numbers."""
    if isinstance(where, str):
        names = [column.name for column in TABLES[table].columns]
    else:
        names = [row[1] for row in sql(where, f"PRAGMA table_info({table})")]
    listed = ", ".join(name for name in names if name != "id")
    return set(sql(where, f"SELECT {listed} FROM {table}"))


def contents(where: Path | str) -> dict[str, list[tuple[Any, ...]]]:
    """Return the sorted rows of every table, without row numbers."""
    if isinstance(where, str):
        tables = list(TABLES)
    else:
        tables = [n for (n,) in sql(where, "SELECT name FROM sqlite_master WHERE type = 'table'")]
    return {table: sorted(rows(where, table)) for table in tables}


def state(where: Path | str) -> object:
    """Return a value that differs after any change of the database."""
    return where.read_bytes() if isinstance(where, Path) else contents(where)


def make_legacy(file: Path, records: dict[object, object]) -> Path:
    """Replace the table of records by that of version 2.0, with these legacy records."""
    sql(file, "DROP TABLE meta_data")
    sql(file, "DROP TABLE bucket_probe")
    sql(file, LEGACY)
    for key, legacy in records.items():
        text = legacy if isinstance(legacy, str) else json.dumps(legacy)
        sql(file, "INSERT INTO meta_data VALUES (?, ?)", checksum(key), text)
    return file


def recorded_syncs(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list to which each `os.fsync` adds the name of what it writes to the disk."""
    synced: list[str] = []
    fsync = os.fsync

    def record(number: int) -> None:
        synced.append(os.readlink(f"/proc/self/fd/{number}"))
        fsync(number)

    monkeypatch.setattr(os, "fsync", record)
    return synced


def every_command(file: Path) -> list[list[str | Path]]:
    target = file.with_name("target.db")
    return [
        ["stats", file],
        ["live", file],
        ["check", file],
        ["check", "--repair", file],
        ["migrate", file],
        ["export", file, target],
        ["copy", file, target],
        ["merge", file, "--into", target],
        ["prune", "--irreproducible", file],
    ]


def assert_one_line(status: int, err: str, *words: str) -> None:
    assert status == 1
    assert err.startswith("Error: ")
    assert err.count("\n") == 1
    for word in words:
        assert word in err
