"""The start of the server: output, status file, exit codes, and what a failed start leaves."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from contextlib import closing, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import pytest
from database_samples import checksum
from database_server import TIMEOUT, Server, shared

from seamless_database import Database, __version__
from seamless_database.cli.arguments import parser
from seamless_database.cli.main import main
from seamless_database.errors import OptionError

if TYPE_CHECKING:
    from collections.abc import Iterator

#: starts that are stopped by the test that does so at random moments
STOPS = int(os.environ.get("SEAMLESS_TEST_STOPS", "5"))
#: seconds that a start takes, approximately
START_SECONDS = 0.6
STOPPED = "Error: stopped by a signal before the server was ready\n"
needs_proc = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads /proc")
LAUNCHER = {"pid": 7, "workdir": "/somewhere", "status": "starting", "port": 1}


@dataclass(frozen=True)
class Ended:
    """How a run of the command ended."""

    code: int
    out: str
    err: str


def run(*words: object, **options: object) -> Ended:
    """Run the command to its end."""
    command = [sys.executable, "-m", "seamless_database", *map(str, words)]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=TIMEOUT, check=False, **options
    )  # type: ignore[call-overload]  # options of subprocess
    return Ended(done.returncode, done.stdout, done.stderr)


def attempt(*words: object) -> Ended:
    """Run the command in this process, for starts that fail before anything is begun."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err), handlers_kept():
        code = main([str(word) for word in words])
    return Ended(code, out.getvalue(), err.getvalue())


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A database file with one transformation."""
    path = tmp_path / "seamless.db"
    with Database(path, writable=True) as database:
        database.put({"type": "transformation", "checksum": checksum(1), "value": checksum(2)})
    return path


@pytest.fixture
def status(tmp_path: Path) -> Path:
    """A status file as a launcher writes it."""
    path = tmp_path / "status.json"
    path.write_text(json.dumps(LAUNCHER))
    return path


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that somebody else listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def assert_failed(ended: Ended, status: Path, *named: str) -> None:
    """The exit code is 1, stderr one line that names the trouble, the status file says "failed"."""
    assert ended.code == 1
    assert ended.err.startswith("Error: ")
    assert ended.err.count("\n") == 1
    for part in named:
        assert part in ended.err
    assert json.loads(status.read_text()) == {**LAUNCHER, "status": "failed"}


def assert_usage_error(ended: Ended, status: Path, *named: str) -> None:
    """The exit code is 2, stderr the usage and a message, the status file says "failed"."""
    assert ended.code == 2
    assert ended.out == ""
    assert ended.err.startswith("usage: seamless-database ")
    _, message = ended.err.split("\nseamless-database: error: ")
    assert message.count("\n") == 1
    for part in named:
        assert part in message
    assert json.loads(status.read_text()) == {**LAUNCHER, "status": "failed"}


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


# starts that fail


def test_a_missing_file_is_not_created_without_writable(tmp_path: Path, status: Path) -> None:
    ended = run(tmp_path / "no.db", "--status-file", status)
    assert_failed(ended, status, "no.db", "--writable")
    assert not (tmp_path / "no.db").exists()


@pytest.mark.parametrize(
    "options",
    [
        ["--port-range", "5000", "4000"],
        ["--port-range", "65000", "70000"],
        ["--port-range", "-5", "10"],
        ["--port", "70000"],
        ["--port", "-1"],
    ],
)
def test_an_invalid_port_is_rejected(file: Path, status: Path, options: list[str]) -> None:
    ended = attempt(file, *options, "--writable", "--status-file", status)
    assert_usage_error(ended, status, options[1])


def test_a_range_without_a_free_port_is_rejected(file: Path, status: Path, taken: int) -> None:
    options = ["--host", "127.0.0.1", "--port-range", taken, taken]
    assert_failed(run(file, *options, "--status-file", status), status, str(taken))


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
def test_a_port_in_use_is_rejected(file: Path, status: Path, taken: int, host: str) -> None:
    ended = run(file, "--host", host, "--port", taken, "--timeout", 60, "--status-file", status)
    assert_failed(ended, status, str(taken))


@pytest.mark.parametrize("host", ["no.such.host.invalid", "192.0.2.1", "not an address"])
def test_a_host_of_another_machine_is_named(file: Path, status: Path, host: str) -> None:
    ended = attempt(file, "--host", host, "--port-range", 40000, 50000, "--status-file", status)
    assert_failed(ended, status, host)


@pytest.mark.parametrize("seconds", ["0", "-1", "nan", "inf"])
def test_an_invalid_timeout_is_rejected(file: Path, status: Path, seconds: str) -> None:
    ended = attempt(file, f"--timeout={seconds}", "--status-file", status)
    assert_failed(ended, status, "--timeout")


@pytest.mark.parametrize("size", ["0", "-1", "many", "1.5MB"])
def test_an_invalid_body_size_is_rejected(file: Path, status: Path, size: str) -> None:
    ended = attempt(file, f"--max-body={size}", "--status-file", status)
    assert_usage_error(ended, status, "--max-body")


def test_a_file_that_is_no_database_is_left_unchanged(tmp_path: Path, status: Path) -> None:
    path = tmp_path / "text.db"
    path.write_bytes(b"no database at all " * 500)
    for options in ([], ["--writable"]):
        status.write_text(json.dumps(LAUNCHER))
        ended = run(path, *options, "--status-file", status)
        assert_failed(ended, status, "text.db", "not a database")
    assert path.read_bytes() == b"no database at all " * 500


def test_a_truncated_database_is_rejected(file: Path, status: Path) -> None:
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    assert_failed(attempt(file, "--writable", "--status-file", status), status, "malformed")
    assert file.read_bytes() == whole[: len(whole) // 2]


def test_a_folder_is_no_database(tmp_path: Path, status: Path) -> None:
    assert_failed(attempt(tmp_path, "--writable", "--status-file", status), status, "folder")


def test_a_missing_folder_is_named(tmp_path: Path, status: Path) -> None:
    path = tmp_path / "no" / "seamless.db"
    assert_failed(attempt(path, "--writable", "--status-file", status), status, "folder")


def test_legacy_records_are_rejected_and_left_unchanged(tmp_path: Path, status: Path) -> None:
    path = tmp_path / "legacy.db"
    with sqlite3.connect(path) as raw:
        raw.execute("CREATE TABLE meta_data (checksum CHAR(64) PRIMARY KEY, metadata TEXT)")
        raw.execute("INSERT INTO meta_data VALUES ('a', '{}')")
    raw.close()
    before = path.read_bytes()
    for options in ([], ["--writable"]):
        status.write_text(json.dumps(LAUNCHER))
        assert_failed(run(path, *options, "--status-file", status), status, "legacy", "migrated")
    assert path.read_bytes() == before


def test_a_record_table_with_other_columns_is_rejected(tmp_path: Path, status: Path) -> None:
    path = tmp_path / "other.db"
    with sqlite3.connect(path) as raw:
        raw.execute("CREATE TABLE meta_data (checksum TEXT, surprise TEXT)")
    raw.close()
    ended = attempt(path, "--writable", "--status-file", status)
    assert_failed(ended, status, "meta_data", "surprise")


@pytest.mark.parametrize("options", [[], ["--writable"]])
def test_a_locked_database_is_rejected(file: Path, status: Path, options: list[str]) -> None:
    holder = sqlite3.connect(file, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    try:
        ended = run(file, *options, "--status-file", status)
    finally:
        holder.close()
    assert_failed(ended, status, "locked")


@pytest.mark.parametrize("content", ["[]", "null", "5"])
def test_a_status_file_without_an_object_ends_the_start(
    file: Path, status: Path, content: str
) -> None:
    status.write_text(content)
    ended = attempt(file, "--status-file", status)
    assert ended.code == 1
    assert ended.err == f"Error: cannot use the status file {status}: it holds no JSON object\n"
    assert status.read_text() == content


def test_a_folder_is_no_status_file(file: Path, tmp_path: Path) -> None:
    ended = attempt(file, "--status-file", tmp_path)
    assert ended.code == 1
    assert ended.err.count("\n") == 1


@pytest.mark.parametrize("content", [None, b"", b"{", b"\xff\xfe\xff"])
def test_a_status_file_that_never_comes_ends_the_start(
    file: Path, tmp_path: Path, content: bytes | None, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "status.json"
    if content is not None:
        path.write_bytes(content)
    words = [str(file), "--port", "0", "--host", "127.0.0.1", "--status-file", str(path)]
    with handlers_kept():
        assert main(words, status_wait=0.3) == 1
    assert capsys.readouterr().err.startswith(f"Error: cannot use the status file {path}: ")


def test_a_failure_is_reported_even_if_the_status_file_comes_late(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with handlers_kept():
        code = main(
            [str(tmp_path / "no.db"), "--status-file", str(tmp_path / "s")], status_wait=0.2
        )
    assert code == 1
    lines = capsys.readouterr().err.splitlines()
    assert "no.db" in lines[0]
    assert "status file" in lines[1]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_the_wait_for_the_status_file(
    file: Path, tmp_path: Path, number: signal.Signals
) -> None:
    server = Server(file, "--status-file", str(tmp_path / "never"), wait=False)
    assert server.process.stdout is not None
    server.process.stdout.readline()
    time.sleep(1)
    assert server.stop(number) == (1, STOPPED)


@needs_proc
@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_start_that_a_signal_ends_is_reported_whenever_the_signal_comes(
    file: Path, status: Path, workers: str
) -> None:
    random = Random(STOPS)
    for _ in range(STOPS):
        status.write_text(json.dumps(LAUNCHER))
        options = ("--workers", workers, "--status-file", str(status))
        server = Server(file, *options, wait=False)
        number = random.choice([signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
        wait_for_handlers(server)
        time.sleep(random.uniform(0, 1.2 * START_SECONDS))
        code, err = server.stop(number)
        written = json.loads(status.read_text())
        if code == 0:
            assert (written["status"], err) == ("running", "")
        else:
            assert (code, written, err) == (1, {**LAUNCHER, "status": "failed"}, STOPPED)


@needs_proc
def test_signals_are_handled_before_the_heavy_imports(file: Path, status: Path) -> None:
    server = Server(file, "--status-file", str(status), wait=False)
    wait_for_handlers(server)
    assert server.stop() == (1, STOPPED)
    assert json.loads(status.read_text())["status"] == "failed"


def wait_for_handlers(server: Server) -> None:
    """Wait until a process handles the stop signals, of which HUP is the last."""
    deadline = time.monotonic() + TIMEOUT
    while time.monotonic() < deadline:
        status = Path(f"/proc/{server.process.pid}/status").read_text()
        caught = re.search(r"^SigCgt:\s*(\w+)", status, re.MULTILINE)
        if caught and int(caught[1], 16) >> (signal.SIGHUP - 1) & 1:
            return
        time.sleep(0.001)
    raise AssertionError("the process never handled the signals")


# a medium that cannot be written


@pytest.fixture
def read_only_folder(tmp_path: Path) -> Iterator[Path]:
    """A folder on a read-only mount, with a database file in it."""
    inner = tmp_path / "medium"
    inner.mkdir()
    with Database(inner / "seamless.db", writable=True) as database:
        database.put({"type": "transformation", "checksum": checksum(1), "value": checksum(2)})
    mount = shutil.which("mount")
    if mount is None or os.geteuid() != 0:
        pytest.skip("a read-only mount needs root")
    made = subprocess.run([mount, "--bind", str(inner), str(inner)], check=False)
    if made.returncode:
        pytest.skip("this machine does not let us mount")
    try:
        subprocess.run([mount, "-o", "remount,bind,ro", str(inner)], check=True)
        yield inner
    finally:
        subprocess.run(["umount", str(inner)], check=True)


def test_a_read_only_medium_is_served_read_only(read_only_folder: Path) -> None:
    with Server(read_only_folder / "seamless.db", writable=False) as server:
        assert server.get("transformation", checksum=checksum(1)).text == checksum(2)


def test_a_read_only_medium_cannot_be_writable(read_only_folder: Path, status: Path) -> None:
    for name in ("seamless.db", "new.db"):
        status.write_text(json.dumps(LAUNCHER))
        path = read_only_folder / name
        assert_failed(run(path, "--writable", "--status-file", status), status, name)


# the four fixtures, as the schema says


@pytest.mark.parametrize("name", ["legacy-filled-metadata.db"])
def test_the_recorded_legacy_file_is_rejected(name: str, tmp_path: Path, status: Path) -> None:
    recorded = shared("protocol", "fixtures", name)
    if not recorded.is_file():
        pytest.skip(f"no recorded file at {recorded}")
    path = tmp_path / name
    shutil.copy(recorded, path)
    assert_failed(run(path, "--writable", "--status-file", status), status, "legacy")
    assert path.read_bytes() == recorded.read_bytes()


# details of the edge


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


class handlers_kept:
    """Puts the signal handlers back that a run of `main` in this process replaces."""

    def __enter__(self) -> None:
        self._kept = {
            n: signal.getsignal(n) for n in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
        }

    def __exit__(self, *_: object) -> None:
        for number, handler in self._kept.items():
            signal.signal(number, handler)
