"""SCALING.md: its SQL is run as it stands there, on tables with rows in them."""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
from pathlib import Path

import sqlalchemy
from database_server import Server
from postgres_server import fresh_database
from sqlalchemy.pool import NullPool

PAGE = Path(__file__).resolve().parents[1] / "packages" / "seamless-database" / "SCALING.md"
ROWS = 64


def checksum(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def put(server: Server, first: int) -> None:
    for number in range(first, first + ROWS):
        key, result = checksum(f"tf {number}"), checksum(f"result {number}")
        assert server.put("transformation", checksum=key, value=result).status == 200
        assert server.put("buffer_info", checksum=key, value={"length": number}).status == 200


def found(server: Server, count: int) -> int:
    """Count the rows that are answered as they were written."""
    return sum(
        server.get("transformation", checksum=checksum(f"tf {n}")).text == checksum(f"result {n}")
        and server.get("buffer_info", checksum=checksum(f"tf {n}")).json() == {"length": n}
        and server.get("rev_transformations", checksum=checksum(f"result {n}")).json()
        == [checksum(f"tf {n}")]
        for n in range(count)
    )


def admin(*words: str) -> str:
    command = [sys.executable, "-m", "seamless_database.admin", *words]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_partitioned_tables_serve_as_whole_ones_do(tmp_path: Path) -> None:
    (sql,) = re.findall(r"```sql\n(.*?)```", PAGE.read_text(), re.DOTALL)
    with fresh_database() as url:
        with Server(url) as server:
            put(server, 0)
        engine = sqlalchemy.create_engine(url, poolclass=NullPool)
        with engine.begin() as connection:
            connection.execution_options(no_parameters=True).exec_driver_sql(sql)
            # each of the sixteen has its share, so the bounds are right
            parts = "SELECT count(DISTINCT tableoid) FROM transformation WHERE checksum < '8'"
            assert 4 < (connection.exec_driver_sql(parts).scalar() or 0) <= 8
        with Server(url) as server:
            put(server, ROWS)
            assert found(server, 2 * ROWS) == 2 * ROWS
        assert "clean           yes" in admin("check", url)
        admin("copy", url, str(tmp_path / "back.db"))
    with Server(tmp_path / "back.db", writable=False) as server:
        assert found(server, 2 * ROWS) == 2 * ROWS
