from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest
from database_samples import checksum
from database_server import TIMEOUT

from seamless_database import Database
from seamless_database.errors import FileError, OptionError
from seamless_database.protocol.request import from_python
from seamless_database.request_types import parse_read
from seamless_database.storage.open import open_database, redacted

if TYPE_CHECKING:
    from pathlib import Path

GET = {"type": "transformation", "checksum": checksum(1)}
PUT = {**GET, "value": checksum(2)}


def test_both_back_ends_have_one_interface(where: Path | str) -> None:
    with open_database(where, writable=True) as database:
        assert (database.writable, database.degraded_reason, database.queued_writes) == (
            True,
            None,
            0,
        )
        assert database.get(GET) is None
        database.put(PUT)
        assert database.commits is not None
    with open_database(where) as reader:
        assert reader.get(GET) == checksum(2)
        assert (reader.writable, reader.commits, reader.startup_notices) == (False, None, ())


def test_a_database_ends_its_threads_when_it_is_closed(where: Path | str) -> None:
    before = set(threading.enumerate())
    with open_database(where, writable=True) as database:
        database.put(PUT)
        request = parse_read(from_python({"type": "rev_transformations", "checksum": checksum(2)}))
        asyncio.run(database.execute_read(request))
        assert set(threading.enumerate()) > before
    assert set(threading.enumerate()) == before


def test_an_unexpected_error_of_a_long_read_reaches_the_caller(
    where: Path | str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_request: object, _connection: object) -> None:
        raise RuntimeError("no such thread")

    request = parse_read(from_python({"type": "rev_transformations", "checksum": checksum(2)}))
    monkeypatch.setattr(type(request), "run", fail)

    with open_database(where, writable=True) as database, pytest.raises(RuntimeError):
        asyncio.run(database.execute_read(request))


def test_a_process_that_does_not_close_its_database_ends(where: Path | str) -> None:
    code = f"""
from seamless_database.storage.open import open_database
database = open_database({str(where)!r}, writable=True)
database.put({PUT})
print(database.get({GET}))
"""
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=TIMEOUT)
    assert (done.stdout, done.stderr) == (f"{checksum(2)}\n", "")
    with open_database(where) as database:
        assert database.get(GET) == checksum(2)


@pytest.mark.parametrize("name", ["seamless.db", "a b?c#d%20.db", "x:y"])
def test_any_path_is_a_file(tmp_path: Path, name: str) -> None:
    with open_database(str(tmp_path / name), writable=True) as database:
        assert isinstance(database, Database)
        assert set(database.sizes()) == {"main", "wal"}
    assert (tmp_path / name).is_file()


def test_the_url_of_a_file_is_that_file(tmp_path: Path) -> None:
    path = tmp_path / "seamless.db"
    open_database(f"sqlite:///{path}", writable=True).close()
    assert path.is_file()


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///", "sqlite://host/file"])
def test_an_incomplete_sqlite_url_is_rejected(url: str) -> None:
    with pytest.raises(OptionError, match="sqlite:///"):
        open_database(url)


def test_a_missing_file_is_not_created_for_reading(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="--writable"):
        open_database(tmp_path / "missing.db")


def test_the_redacted_name_has_no_password() -> None:
    assert redacted("a file.db") == "a file.db"
    assert redacted("postgresql://me:hunter2@h:5433/db") == "postgresql+psycopg://me@h:5433/db"


def test_without_psycopg_the_error_names_the_extra() -> None:
    code = """
import sys
sys.modules["psycopg"] = None
from seamless_database.cli.main import main
sys.exit(main(["postgresql://me:hunter2@localhost/db", "--port", "0"]))
"""
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "pip install 'seamless-database[postgresql]'" in done.stderr
    assert "hunter2" not in done.stderr + done.stdout
