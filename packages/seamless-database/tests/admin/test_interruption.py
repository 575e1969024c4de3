"""Interrupted and killed commands, and full disks: messages, files that are left, rollback."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest
from admin_samples import (
    COMMAND,
    admin,
    contents,
    put,
    put_irreproducible,
    rows,
    run_json,
    sql,
    transformation,
)
from database_samples import checksum
from database_server import TIMEOUT

from seamless_database.admin.access.files import processes_using
from seamless_database.admin.interruption import Interruption

INTERRUPTED = "Error: interrupted; what was not finished has been undone\n"
#: commands, seconds between opening the file and the signal, and the signal
COMMANDS = [
    (["export", "{file}", "{new}"], 0.0, signal.SIGHUP),
    (["merge", "{file}", "--into", "{new}"], 0.05, signal.SIGHUP),
    (["check", "{file}"], 0.01, signal.SIGINT),
    (["check", "--repair", "{file}"], 0.1, signal.SIGTERM),
    (["prune", "{file}", "--irreproducible"], 0.0, signal.SIGTERM),
    (["prune", "{file}", "--irreproducible", "--dry-run"], 0.05, signal.SIGINT),
]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = put(tmp_path / "seamless.db", transformation("kept", "a"))
    numbers = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)"
    sql(
        file,
        f"INSERT INTO irreproducible_transformation (checksum, result, metadata) {numbers} "
        "SELECT printf('%064x', i), printf('%064x', i), '\"\"' FROM n",
    )
    sql(file, f"INSERT INTO rev_transformation (checksum, result) {numbers} SELECT 'x', 'y' FROM n")
    return file


def leave_open_transaction(file: Path) -> None:
    """Kill a process that has changed a file, before it commits."""
    code = (
        f"import os, sqlite3; c = sqlite3.connect({str(file)!r}, isolation_level=None);"
        "c.execute('PRAGMA cache_size = 5'); c.execute('BEGIN');"
        "c.execute('DELETE FROM irreproducible_transformation');"
        f"os.kill(os.getpid(), {int(signal.SIGKILL)})"
    )
    subprocess.run([sys.executable, "-c", code], check=False)
    assert Path(f"{file}-journal").exists()


@pytest.mark.parametrize(("words", "moment", "number"), COMMANDS)
def test_a_signal_ends_a_command_with_one_line_and_leaves_no_files(
    words: list[str], moment: float, number: signal.Signals, file: Path, tmp_path: Path
) -> None:
    if not Path("/proc/self/fd").is_dir():
        pytest.skip("this system does not show which files a process has open")
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    names = [word.format(file=file, new=tmp_path / "new.db") for word in words]
    with subprocess.Popen(
        ["env", f"TMPDIR={scratch}", *COMMAND, *names],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        deadline = time.monotonic() + TIMEOUT
        while not processes_using(file) and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.001)
        time.sleep(moment)
        process.send_signal(number)
        _, err = process.communicate(timeout=TIMEOUT)
    if process.returncode in {0, 3}:
        # the command ended before the signal
        assert err == ""
    else:
        assert (process.returncode, err) == (1, INTERRUPTED)
        assert not (tmp_path / "new.db").exists()
    assert not list(scratch.iterdir())
    left = {path.name for path in tmp_path.iterdir() if ".before-" not in path.name}
    assert left <= {"scratch", "seamless.db", "new.db"}
    assert (checksum("kept"), checksum("a")) in rows(file, "transformation")
    assert sql(file, "PRAGMA integrity_check") == [("ok",)]


def test_a_deferred_signal_ends_the_next_block_that_does_not_defer() -> None:
    interruption = Interruption()
    interruption.install_handlers()
    with interruption.deferred():
        with interruption.deferred(defer=False):
            pass
        signal.raise_signal(signal.SIGTERM)
        with pytest.raises(KeyboardInterrupt), interruption.deferred(defer=False):
            pytest.fail("the block has begun")
        # deferred again
        signal.raise_signal(signal.SIGTERM)
        with pytest.raises(KeyboardInterrupt):
            interruption.check()
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGTERM)
    interruption.install_handlers()
    interruption.check()


def test_a_signal_during_the_imports_is_one_line(tmp_path: Path) -> None:
    finder = "type('Finder', (), {'find_spec': lambda *_: os.kill(os.getpid(), signal.SIGTERM)})()"
    code = (
        "import os, signal, sys; from seamless_database.admin.cli import main;"
        f"sys.meta_path.insert(0, {finder}); sys.exit(main(['stats', {str(tmp_path)!r}]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, INTERRUPTED)


def test_a_signal_while_the_command_reads_stdin_is_one_line(file: Path) -> None:
    code = (
        "import os, signal, sys, threading, time, traceback\n"
        "from seamless_database.admin.cli import main\n"
        "def interrupt(thread):\n"
        "    while 'in read_checksum_list' not in "
        "''.join(traceback.format_stack(sys._current_frames()[thread])): time.sleep(0.05)\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
        "threading.Thread(target=interrupt, args=(threading.get_ident(),), daemon=True).start()\n"
        f"sys.exit(main(['prune', '--checksums', '-', {str(file)!r}]))"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        err = process.stderr.read()
    assert (process.returncode, err) == (1, INTERRUPTED)


def test_a_signal_cancels_a_statement_of_postgresql(postgresql: str) -> None:
    put(postgresql, transformation("kept", "a"), put_irreproducible(1, 2))
    sql(
        postgresql,
        "CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS "
        "'BEGIN PERFORM pg_sleep(1000); RETURN OLD; END'",
    )
    sql(
        postgresql,
        "CREATE TRIGGER wait BEFORE DELETE ON irreproducible_transformation FOR EACH ROW "
        "EXECUTE FUNCTION wait()",
    )
    before = contents(postgresql)
    waiting = "SELECT 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
    with subprocess.Popen(
        [*COMMAND, "prune", "--irreproducible", postgresql], stderr=subprocess.PIPE, text=True
    ) as process:
        deadline = time.monotonic() + TIMEOUT
        while not sql(postgresql, waiting) and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=TIMEOUT)
    assert (process.returncode, err) == (1, INTERRUPTED)
    assert contents(postgresql) == before


def test_a_signal_interrupts_a_long_statement_of_sqlite(file: Path) -> None:
    sql(
        file,
        "CREATE TRIGGER endless BEFORE DELETE ON irreproducible_transformation BEGIN "
        "DELETE FROM rev_transformation WHERE id = 1; "
        "DELETE FROM transformation WHERE result IN (SELECT a.id FROM rev_transformation a, "
        "rev_transformation b, rev_transformation c WHERE a.id + b.id + c.id < 0); END",
    )
    before = contents(file)
    with subprocess.Popen(
        [*COMMAND, "prune", "--irreproducible", str(file)], stderr=subprocess.PIPE, text=True
    ) as process:
        deadline = time.monotonic() + TIMEOUT
        # the journal exists as soon as the trigger has deleted the first row
        while not Path(f"{file}-journal").exists():
            assert time.monotonic() < deadline
            time.sleep(0.01)
        time.sleep(0.1)
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=TIMEOUT)
    assert (process.returncode, err) == (1, INTERRUPTED)
    assert contents(file) == before


@pytest.mark.parametrize(
    "words", [("check",), ("stats",), ("export",), ("prune", "--irreproducible")], ids=" ".join
)
def test_the_open_transaction_of_a_killed_process_is_rolled_back(
    file: Path, words: tuple[str, ...]
) -> None:
    before = contents(file)
    leave_open_transaction(file)
    copy = file.with_name("copy.db")
    done = admin(words[0], file, *words[1:], *([copy] if words[0] == "export" else []))
    assert done.status in {0, 3}
    assert done.err == ""
    if words[0] == "export":
        assert contents(copy) == before
    elif words[0] != "prune":
        assert contents(file) == before


@pytest.mark.parametrize("suffix", ["-wal", "-shm", "-journal"])
@pytest.mark.parametrize("words", [["export"], ["copy"], ["merge", "--into"]], ids=" ".join)
def test_a_journal_of_a_former_file_is_not_used_for_a_new_file(
    tmp_path: Path, words: list[str], suffix: str
) -> None:
    file = put(tmp_path / "seamless.db", transformation(1, 2))
    left = tmp_path / f"new.db{suffix}"
    left.write_bytes(b"of another database")
    done = admin(words[0], file, *words[1:], tmp_path / "new.db")
    assert done.status == 1
    assert f"new.db{suffix} exists already; remove it" in done.err
    left.unlink()
    assert admin(words[0], file, *words[1:], tmp_path / "new.db").status == 0


@pytest.mark.parametrize(
    "words",
    [
        ["prune", "{file}", "--irreproducible"],
        ["check", "--repair", "{file}"],
        ["prune", "{file}", "--irreproducible", "--dry-run"],
        ["export", "{file}", "{new}"],
        ["merge", "{file}", "--into", "{new}"],
        ["copy", "{file}", "{new}"],
    ],
    ids=lambda words: words[0] + words[-1],
)
def test_a_full_disk_is_one_line_and_changes_nothing(
    file: Path, tmp_path: Path, words: list[str]
) -> None:
    before = contents(file)
    names = [word.format(file=file, new=tmp_path / "new.db") for word in words]
    code = (
        "import resource, sys; from seamless_database.admin.cli import main;"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000)); sys.exit(main())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *names], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr.startswith("Error: ")
    assert done.stderr.count("\n") == 1
    with closing(sqlite3.connect(file)) as connection:
        # the limit on the size of files can delay the rollback until the next open
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert contents(file) == before
    left = {path.name for path in tmp_path.iterdir() if "part" not in path.name}
    assert left == {"seamless.db"}
    if words[0] == "copy":
        run_json("copy", file, tmp_path / "new.db")
        assert contents(tmp_path / "new.db") == contents(file)
