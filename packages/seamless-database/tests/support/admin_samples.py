"""Files for the tests of the administration, and its command run in a process of its own."""

from __future__ import annotations

import io
import json
import sqlite3
import subprocess
import sys
from contextlib import closing, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from database_samples import checksum, record
from database_server import PATIENCE, shared

from seamless_database.admin.access.postgresql import connect_driver
from seamless_database.admin.cli import main
from seamless_database.models import TABLES
from seamless_database.storage.open import open_database
from seamless_database.storage.postgresql.url import PostgresUrl

Where = TypeVar("Where", bound="Path | str")

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
class Done:
    """How a run of the command ended."""

    status: int
    out: str
    err: str

    def json(self) -> Any:
        return json.loads(self.out)


def admin(*words: str | Path, stdin: str = "") -> Done:
    """Run the command within this process; what it writes is no terminal."""
    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(2))
    kept = sys.stdin
    sys.stdin = io.TextIOWrapper(io.BytesIO(stdin.encode()), "utf-8")
    try:
        with redirect_stdout(out), redirect_stderr(err):
            status = main([*map(str, words)])
    finally:
        sys.stdin = kept
    return Done(status, *(_written(stream) for stream in (out, err)))


def admin_apart(*words: str | Path) -> Done:
    """Run the command in a process of its own, so that files are in use by another one."""
    done = subprocess.run(
        [*COMMAND, *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return Done(done.returncode, done.stdout, done.stderr)


def _written(stream: io.TextIOWrapper) -> str:
    assert isinstance(stream.buffer, io.BytesIO)
    return stream.buffer.getvalue().decode()


def run_json(*words: str | Path, status: int = 0, stdin: str = "") -> Any:
    """Run the command for its JSON."""
    done = admin(*words, "--json", stdin=stdin)
    assert (done.status, done.err) == (status, "")
    return done.json()


def put(where: Where, *requests: dict[str, Any]) -> Where:
    """Store something as the server would."""
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


def meaning(syntactic: object, semantic: object) -> dict[str, Any]:
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
    """Do to a database what no server of ours would."""
    if isinstance(where, str):
        with connect_driver(PostgresUrl.of(where)) as raw:
            cursor = raw.execute(statement.replace("?", "%s").encode(), values)
            return cursor.fetchall() if cursor.description else []
    with closing(sqlite3.connect(where)) as connection:
        rows = connection.execute(statement, values).fetchall()
        connection.commit()
    return rows


def rows(where: Path | str, table: str) -> set[tuple[Any, ...]]:
    """What a table says, without row numbers."""
    if isinstance(where, str):
        names = [column.name for column in TABLES[table].columns]
    else:
        names = [row[1] for row in sql(where, f"PRAGMA table_info({table})")]
    listed = ", ".join(name for name in names if name != "id")
    return set(sql(where, f"SELECT {listed} FROM {table}"))


def contents(where: Path | str) -> dict[str, list[tuple[Any, ...]]]:
    """What every table says, in an order of its own."""
    if isinstance(where, str):
        tables = list(TABLES)
    else:
        tables = [n for (n,) in sql(where, "SELECT name FROM sqlite_master WHERE type = 'table'")]
    return {table: sorted(rows(where, table)) for table in tables}


def state(where: Path | str) -> object:
    """Something that differs if anything was changed."""
    return where.read_bytes() if isinstance(where, Path) else contents(where)


def make_legacy(file: Path, notes: dict[object, object]) -> Path:
    """Turn the table of records into what version 2.0 had, with these notes."""
    sql(file, "DROP TABLE meta_data")
    sql(file, "DROP TABLE bucket_probe")
    sql(file, LEGACY)
    for key, note in notes.items():
        text = note if isinstance(note, str) else json.dumps(note)
        sql(file, "INSERT INTO meta_data VALUES (?, ?)", checksum(key), text)
    return file
