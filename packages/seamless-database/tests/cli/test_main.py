"""The start of the server: command line, output, status file and port."""

from __future__ import annotations

import json
import socket
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from database_samples import checksum
from database_server import TIMEOUT, Server

from seamless_database import Database, __version__
from seamless_database.cli.arguments import parser
from seamless_database.errors import OptionError

if TYPE_CHECKING:
    pass

from server_command import LAUNCHER, assert_usage_error, run

# usage


@pytest.mark.parametrize(
    "words",
    [
        ["--workers", "0"],
        ["--max-body", "lots"],
        ["--port", "99999"],
        ["--tls-cert", "cert.pem"],
        ["--tls-key", "key.pem"],
        ["--max-connections", "0"],
        ["--receive-timeout", "nan"],
        ["--port-range", "5", "4"],
    ],
)
def test_an_invalid_value_exits_with_2_and_creates_nothing(
    words: list[str], tmp_path: Path, status: Path
) -> None:
    ended = run(tmp_path / "new.db", "--writable", *words, "--status-file", status)
    named = "the port range 5 to 4" if words[0] == "--port-range" else words[0].lstrip("-")
    assert_usage_error(ended, status, named)
    assert not (tmp_path / "new.db").exists()


def test_an_invalid_database_url_exits_with_2(status: Path) -> None:
    ended = run("sqlite://seamless.db", "--writable", "--status-file", status)
    assert ended.code == 2
    assert "sqlite:///seamless.db" in ended.err
    assert json.loads(status.read_text()) == {**LAUNCHER, "status": "failed"}


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["--unknown", "x.db"],
        ["x.db", "--port", "1", "--port-range", "1", "2"],
        ["x.db", "--port", "many"],
        ["x.db", "--port-range", "1"],
        ["x.db", "--timeout", "soon"],
    ],
)
def test_an_unknown_option_exits_with_2(words: list[str], status: Path) -> None:
    ended = run(*words, "--status-file", status)
    assert ended.code == 2
    assert ended.err.startswith("usage: seamless-database")
    assert json.loads(status.read_text()) == LAUNCHER


def test_help_exits_with_0_and_names_every_option() -> None:
    ended = run("--help")
    assert ended.code == 0
    for option in ("--port", "--port-range", "--host", "--writable", "--status-file", "--timeout"):
        assert option in ended.out


def test_the_version_is_printed() -> None:
    assert run("--version").out == f"seamless-database {__version__}\n"


def test_the_default_range_is_the_one_of_dynamic_ports() -> None:
    from seamless_database.cli.arguments import DEFAULT_RANGE
    from seamless_database.server.sockets import DYNAMIC_PORTS

    assert DEFAULT_RANGE == DYNAMIC_PORTS


def test_the_default_host_is_every_address() -> None:
    assert parser().parse_args(["x.db"]).host == "0.0.0.0"


# starts that succeed


def test_the_start_prints_the_file_and_the_address(file: Path) -> None:
    with Server(file) as server:
        assert server.lines == [
            f"Database file: {file}",
            "(2 rows)",
            f"Reading and writing, on http://127.0.0.1:{server.port}",
        ]


@pytest.mark.parametrize("name", ["a?b#c%d.db", "two words.db", "naïve 中文.db"])
@pytest.mark.parametrize("writable", [True, False])
def test_any_character_may_be_in_the_file_name(tmp_path: Path, name: str, writable: bool) -> None:
    path = tmp_path / name
    Database(path, writable=True).close()
    with Server(path, writable=writable) as server:
        assert server.get("protocol").status == 200
    assert [entry.name for entry in tmp_path.iterdir()] == [name]


def test_a_link_to_the_file_is_followed_and_kept(file: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.db"
    link.symlink_to(file)
    with Server(link) as server:
        assert server.get("transformation", checksum=checksum(1)).status == 200
    assert link.is_symlink()


def test_an_existing_file_is_served_without_writable(file: Path) -> None:
    with Server(file, writable=False) as server:
        assert server.get("transformation", checksum=checksum(1)).text == checksum(2)


def test_an_empty_file_gets_its_tables(tmp_path: Path, status: Path) -> None:
    path = tmp_path / "empty.db"
    path.touch()
    with Server(path, "--status-file", str(status)) as server:
        assert server.put("transformation", checksum=checksum(1), value=checksum(2)).status == 200
        assert json.loads(status.read_text())["status"] == "running"


def test_the_status_file_reports_the_port_and_keeps_other_fields(file: Path, status: Path) -> None:
    with Server(file, "--status-file", str(status)) as server:
        written = status.read_text()
        assert json.loads(written) == {**LAUNCHER, "status": "running", "port": server.port}
        assert written.endswith("}\n")
    assert status.read_text() == written


def test_the_status_file_may_come_late(file: Path, tmp_path: Path) -> None:
    late = tmp_path / "late.json"
    server = Server(file, "--status-file", str(late), wait=False)
    with server:
        time.sleep(1)
        assert server.process.poll() is None
        late.write_text("")
        time.sleep(0.3)
        late.write_text('{"pid": 1')
        time.sleep(0.3)
        late.write_text("{}")
        server.wait_until_ready()
        assert json.loads(late.read_text()) == {"status": "running", "port": server.port}


def test_a_status_file_may_change_or_go_while_serving(file: Path, status: Path) -> None:
    with Server(file, "--status-file", str(status)) as server:
        status.unlink()
        assert server.get("protocol").status == 200
        assert server.stop() == (0, "")
    assert not status.exists()


def test_port_0_is_replaced_by_the_actual_port(file: Path, status: Path) -> None:
    with Server(file, "--port-range", "0", "0", "--status-file", str(status)) as server:
        assert server.port != 0
        assert json.loads(status.read_text())["port"] == server.port


def test_the_server_listens_on_ipv6(file: Path) -> None:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        pytest.skip("this machine has no IPv6")
    with Server(file, "--host", "::1") as server:
        assert server.host == "::1"
        assert server.get("protocol").status == 200


def test_a_port_in_use_is_skipped(file: Path, taken: int) -> None:
    first = max(1, taken - 3)
    with Server(file, "--port-range", str(first), str(first + 6)) as server:
        assert server.port != taken


def test_servers_that_race_for_ports_all_get_one(tmp_path: Path, taken: int) -> None:
    first = taken - 20 if taken > 40000 else taken + 1
    servers = [
        Server(tmp_path / f"{i}.db", "--port-range", str(first), str(first + 19), wait=False)
        for i in range(4)
    ]
    try:
        for server in servers:
            server.wait_until_ready()
        assert len({server.port for server in servers}) == 4
    finally:
        for server in servers:
            server.stop()


def test_a_closed_output_is_no_error(file: Path) -> None:
    command = f"exec '{sys.executable}' -m seamless_database '{file}' --timeout 0.3 >&- 2>&-"
    assert subprocess.run(command, shell=True, timeout=TIMEOUT, check=False).returncode == 0


def second_line(path: Path, *, writable: bool = True) -> str:
    with Server(path, writable=writable) as server:
        assert server.lines[0] == f"Database file: {path}"
        return server.lines[1]


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_missing_file_is_reported_as_new(tmp_path: Path, workers: str) -> None:
    with Server(tmp_path / "mistyped.db", "--workers", workers) as server:
        assert server.lines[1] == "(new file)"
    assert second_line(tmp_path / "mistyped.db") == "(0 rows)"


@pytest.mark.parametrize("writable", [True, False])
def test_an_empty_file_is_reported_as_new(tmp_path: Path, writable: bool) -> None:
    path = tmp_path / "seamless.db"
    path.touch()
    assert second_line(path, writable=writable) == "(new file)"


def test_the_rows_of_a_large_file_are_estimated_without_a_count(file: Path) -> None:
    with closing(sqlite3.connect(file)) as connection:
        row = (12_345_678, checksum(3), checksum(4))
        columns = "(rowid, checksum, result)"
        connection.execute(f"INSERT INTO transformation {columns} VALUES (?, ?, ?)", row)
        connection.commit()
    assert second_line(file) == "(about 12,345,679 rows)"


def test_a_table_whose_rows_cannot_be_counted_does_not_prevent_the_start(file: Path) -> None:
    with closing(sqlite3.connect(file)) as connection:
        (size,) = connection.execute("PRAGMA page_size").fetchone()
        page = "SELECT rootpage FROM sqlite_master WHERE name = 'transformation'"
        (number,) = connection.execute(page).fetchone()
    with file.open("r+b") as stream:
        stream.seek(size * (number - 1))
        stream.write(bytes(size))
    assert second_line(file, writable=False).startswith("(rows not counted: ")


def test_the_rows_of_a_file_that_lacks_a_table_are_counted(file: Path) -> None:
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("DROP TABLE bucket_probe")
    assert second_line(file, writable=False) == "(2 rows)"


# sizes


def test_sizes_are_parsed_with_their_units() -> None:
    from seamless_database.cli.arguments import _size

    assert [_size(text) for text in ("5", "2KB", "2KiB", "64MiB", "1 GB")] == [
        5,
        2000,
        2048,
        64 * 2**20,
        10**9,
    ]
    with pytest.raises(OptionError):
        _size("5 bits")
