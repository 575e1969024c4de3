"""Starts that fail or are stopped: exit code, one error line, status file, unchanged files."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import pytest
from database_samples import checksum
from database_server import TIMEOUT, Server, shared

from seamless_database import Database
from seamless_database.cli.main import main

if TYPE_CHECKING:
    from collections.abc import Iterator

from server_command import LAUNCHER, assert_failed, assert_usage_error, attempt, run

#: starts that are stopped by the test that does so at random moments
STOPS = int(os.environ.get("SEAMLESS_TEST_STOPS", "5"))
#: seconds that a start takes, approximately
START_SECONDS = 0.6
STOPPED = "Error: stopped by a signal before the server was ready\n"
needs_proc = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads /proc")


#: the command, with a stop signal that Python discards because it arrives in a destructor
DISCARDED = """
import signal, sys
from seamless_database.cli.main import main
from seamless_database.server import sockets

class Object:
    def __del__(self):
        signal.raise_signal(signal.SIGTERM)

def bind_listeners(*arguments):
    Object()
    return bind(*arguments)

bind, sockets.bind_listeners = sockets.bind_listeners, bind_listeners
sys.exit(main())
"""


class DiscardingServer(Server):
    command = (sys.executable, "-c", DISCARDED)


def test_a_stop_signal_that_python_discards_stops_the_start(tmp_path: Path) -> None:
    with DiscardingServer(tmp_path / "seamless.db", wait=False) as server:
        _, err = server.process.communicate(timeout=TIMEOUT)
        assert (server.process.returncode, err) == (1, STOPPED)


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
    assert main(words, status_wait=0.3) == 1
    assert capsys.readouterr().err.startswith(f"Error: cannot use the status file {path}: ")


def test_a_failure_is_reported_even_if_the_status_file_comes_late(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [str(tmp_path / "no.db"), "--status-file", str(tmp_path / "s")]
    assert main(words, status_wait=0.2) == 1
    lines = capsys.readouterr().err.splitlines()
    assert "no.db" in lines[0]
    assert "status file" in lines[1]


def test_an_unexpected_error_of_a_start_is_shown_with_its_traceback(
    file: Path, status: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("unexpected")

    monkeypatch.setattr("seamless_database.server.sockets.bind_listeners", fail)
    assert main([str(file), "--port", "0", "--status-file", str(status)]) == 1
    assert json.loads(status.read_text())["status"] == "failed"
    error = capfd.readouterr().err
    assert error.startswith("Traceback ")
    assert error.endswith("ZeroDivisionError: unexpected\n\n")


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
        pytest.skip("this machine does not allow mounts")
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


# a recorded file of a published server


@pytest.mark.parametrize("name", ["legacy-filled-metadata.db"])
def test_the_recorded_legacy_file_is_rejected(name: str, tmp_path: Path, status: Path) -> None:
    recorded = shared("protocol", "fixtures", name)
    if not recorded.is_file():
        pytest.skip(f"no recorded file at {recorded}")
    path = tmp_path / name
    shutil.copy(recorded, path)
    assert_failed(run(path, "--writable", "--status-file", status), status, "legacy")
    assert path.read_bytes() == recorded.read_bytes()
