"""The command on a PostgreSQL database: how it starts, fails, and what it keeps to itself."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import psycopg
import pytest
from database_samples import checksum
from database_server import TIMEOUT, Server
from postgres_process import own_server

from seamless_database.errors import ServerError
from seamless_database.storage.open import open_database

if TYPE_CHECKING:
    from pathlib import Path

SECRET = "hunter2"
AWAY = f"postgresql+psycopg://me:{SECRET}@127.0.0.1:1/db"


def run(*words: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "seamless_database", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, check=False)


def test_a_failed_start_prints_one_line_and_is_reported(tmp_path: Path) -> None:
    status = tmp_path / "status.json"
    status.write_text('{"pid": 7}')
    ended = run(AWAY, "--writable", "--port", 0, "--status-file", status)
    assert ended.returncode == 1
    assert ended.stderr.startswith("Error: ")
    assert ended.stderr.count("\n") == 1
    assert json.loads(status.read_text()) == {"pid": 7, "status": "failed"}
    assert SECRET not in ended.stdout + ended.stderr + status.read_text()


@pytest.mark.parametrize("target", [f"postgresql://me:{SECRET}@h:x/db", f"my://{SECRET}@h"])
def test_an_invalid_url_is_a_usage_error(tmp_path: Path, target: str) -> None:
    status = tmp_path / "status.json"
    status.write_text('{"pid": 7}')
    ended = run(target, "--writable", "--port", 0, "--status-file", status)
    assert ended.returncode == 2
    assert ended.stderr.startswith("usage: seamless-database ")
    assert json.loads(status.read_text()) == {"pid": 7, "status": "failed"}
    assert SECRET not in ended.stdout + ended.stderr + status.read_text()


def test_the_start_prints_whether_there_were_tables_and_the_number_of_rows(postgresql: str) -> None:
    written = []
    for writable in (False, True, True):
        with Server(postgresql, writable=writable) as server:
            written.append(server.lines[1])
            if writable:
                server.put("transformation", checksum=checksum(len(written)), value=checksum(2))
    assert written == ["(no tables yet)", "(new tables)", "(2 rows)"]


def test_the_start_prints_the_database_and_metrics_have_its_rows(postgresql: str) -> None:
    with Server(postgresql, "--log-level", "info") as server:
        assert server.lines[0].startswith("Database: postgresql+psycopg://")
        put = server.put("transformation", checksum=checksum(1), value=checksum(2))
        assert (put.status, put.text) == (200, "OK")
        assert server.ask("GET", path="/healthcheck").text == "OK"
        shown = server.ask("GET", path="/metrics")
        assert shown.status == 200
        assert 'seamless_database_rows{table="transformation"} 1.0' in shown.text
        assert server.stop()[0] == 0


def test_workers_share_a_database(postgresql: str) -> None:
    with Server(postgresql, "--workers", "2") as server:
        for number in range(20):
            put = server.put("transformation", checksum=checksum(number), value=checksum(-number))
            assert put.status == 200
        assert server.stop() == (0, "")
    with open_database(postgresql) as database:
        for number in range(20):
            request = {"type": "transformation", "checksum": checksum(number)}
            assert database.get(request) == checksum(-number)


@pytest.mark.stress
def test_the_password_comes_from_the_url_the_environment_or_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    passfile = tmp_path / "passfile"
    passfile.write_text(f"*:*:*:lab:{SECRET}\n")
    passfile.chmod(0o600)
    with own_server() as postgres:
        postgres.wants_passwords()
        with psycopg.connect(postgres.url.replace("+psycopg", ""), autocommit=True) as raw:
            raw.execute(f"CREATE ROLE lab LOGIN PASSWORD '{SECRET}'")
            raw.execute("CREATE DATABASE lab OWNER lab")
        bare = postgres.url.replace("postgres:@/postgres", "lab@/lab")
        with pytest.raises(ServerError, match="password"):
            open_database(bare)
        for name, value in (("PGPASSWORD", SECRET), ("PGPASSFILE", str(passfile))):
            with monkeypatch.context() as patch:
                patch.setenv(name, value)
                open_database(bare, writable=True).close()
        with Server(bare.replace("lab@", f"lab:{SECRET}@"), "--log-level", "info") as server:
            shown = server.put("transformation", checksum=checksum(1), value=checksum(2)).text
            shown += server.ask("GET", path="/metrics").text
            postgres.stop()
            shown += server.get("transformation", checksum=checksum(1)).text
            shown += server.ask("GET", path="/healthcheck").text
            _, err = server.stop()
        assert "could not be read" in shown
        assert SECRET not in "".join([shown, *server.lines, err])
