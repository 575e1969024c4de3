from __future__ import annotations

import json
import os
import pty
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing, suppress
from pathlib import Path

import pytest
from admin_samples import (
    COMMAND,
    FIXTURES,
    admin,
    assert_one_line,
    every_command,
    put,
    run_json,
    sql,
    transformation,
)

from seamless_database.admin.cli import command_group

SUB_COMMANDS = set(command_group().commands)
#: sub-commands that never write to a database
READ_ONLY = {"live", "stats"}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return put(tmp_path / "seamless.db", transformation(1, 2))


def test_help_names_every_sub_command() -> None:
    done = admin("--help")
    assert done.status == 0
    for name in SUB_COMMANDS:
        assert f"\n  {name} " in done.out


def test_every_sub_command_that_writes_has_a_dry_run() -> None:
    for name in SUB_COMMANDS - READ_ONLY:
        assert "--dry-run" in admin(name, "--help").out


def test_every_sub_command_has_json_output() -> None:
    for name in SUB_COMMANDS:
        assert "--json" in admin(name, "--help").out


def test_every_sub_command_is_tried_with_bad_files() -> None:
    missing = SUB_COMMANDS - {str(words[0]) for words in every_command(Path("seamless.db"))}
    assert not missing, f"add to every_command: {missing}"


@pytest.mark.parametrize(
    "words",
    [
        ["nonsense"],
        ["stats"],
        ["stats", "a", "b"],
        ["prune", "file.db"],
        ["prune", "file.db", "--older-than", "yesterday"],
        ["prune", "file.db", "--older-than", "999999y"],
        ["export", "file.db", "target.db", "--closure", "abc"],
        ["merge", "--into", "target.db"],
        ["merge", "file.db"],
        ["copy", "file.db"],
        ["stats", "mysql://host/database"],
        ["stats", "postgresql://host:port/database"],
    ],
    ids=" ".join,
)
def test_an_invalid_command_line_exits_with_2(words: list[str]) -> None:
    done = admin(*words)
    assert done.status == 2
    assert "Error: " in done.err


@pytest.mark.parametrize(
    "words",
    [
        ["stats", "postgresql://us:sesame@localhost:1/db"],
        ["stats", "x", "postgresql://us:sesame@localhost:1/db"],
        ["prune", "x", "--older-than", "postgresql://us:sesame@localhost:1/db"],
        ["stats", "mysql://us:sesame@localhost:1/db"],
        ["copy", "postgresql://us:sesame@localhost:1/db", "x"],
        ["migrate", "postgresql://us:sesame@localhost:1/db"],
    ],
    ids=" ".join,
)
def test_a_password_is_never_printed(words: list[str]) -> None:
    done = admin(*words)
    assert done.status in {1, 2}
    assert "sesame" not in done.out + done.err


def test_an_unreachable_postgresql_is_one_line(tmp_path: Path) -> None:
    url = "postgresql://us:sesame@localhost:1/db"
    for words in (["stats", url], ["check", "--repair", url], ["copy", url, tmp_path / "a.db"]):
        done = admin(*words)
        assert_one_line(done.status, done.err, "us@localhost:1/db", "refused")


def test_a_postgresql_without_tables_is_one_line(postgresql: str, tmp_path: Path) -> None:
    target = tmp_path / "target.db"
    for words in (["stats", postgresql], ["check", postgresql], ["copy", postgresql, target]):
        done = admin(*words)
        assert_one_line(done.status, done.err, "none of the tables")
    assert not list(tmp_path.iterdir())


def test_a_postgresql_of_another_application_is_one_line(file: Path, postgresql: str) -> None:
    sql(postgresql, "CREATE TABLE transformation (name TEXT)")
    for words in (["stats", postgresql], ["prune", "--irreproducible", postgresql]):
        done = admin(*words)
        assert_one_line(done.status, done.err, "tables of another application")
    done = admin("copy", file, postgresql)
    assert_one_line(done.status, done.err, "tables of another application")


def test_a_newer_schema_is_one_line(file: Path, postgresql: str) -> None:
    put(postgresql)
    sql(postgresql, "UPDATE seamless_database_schema SET version = 99")
    for words in (["stats", postgresql], ["copy", file, postgresql], ["check", postgresql]):
        done = admin(*words)
        assert_one_line(done.status, done.err, "version 99", "upgrade")


def test_migrate_is_for_files(postgresql: str) -> None:
    done = admin("migrate", put(postgresql))
    assert_one_line(done.status, done.err, "SQLite files")


def test_the_url_of_a_file_opens_the_file(file: Path) -> None:
    assert run_json("stats", f"sqlite:///{file}") == run_json("stats", file)


def test_a_missing_file_is_one_line(tmp_path: Path) -> None:
    for words in every_command(tmp_path / "absent.db"):
        done = admin(*words)
        assert_one_line(done.status, done.err, "does not exist")


def test_a_folder_is_one_line(tmp_path: Path) -> None:
    for words in every_command(tmp_path):
        done = admin(*words)
        assert_one_line(done.status, done.err, "folder")


def test_a_file_that_is_not_a_database_is_one_line(tmp_path: Path) -> None:
    file = tmp_path / "letter.txt"
    file.write_text("Dear database, " * 1000)
    for words in every_command(file):
        done = admin(*words)
        assert_one_line(done.status, done.err, "not a database")


def test_an_empty_file_is_one_line(tmp_path: Path) -> None:
    file = tmp_path / "empty.db"
    file.touch()
    for words in every_command(file):
        done = admin(*words)
        assert_one_line(done.status, done.err, "none of the tables")


def test_a_file_of_another_application_is_one_line(tmp_path: Path) -> None:
    file = tmp_path / "other.db"
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("CREATE TABLE recipes (name TEXT)")
    for words in every_command(file):
        done = admin(*words)
        assert_one_line(done.status, done.err, "none of the tables")


def test_tables_with_other_columns_are_one_line(tmp_path: Path) -> None:
    file = tmp_path / "other.db"
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("CREATE TABLE transformation (name TEXT)")
    for words in every_command(file):
        done = admin(*words)
        assert_one_line(done.status, done.err, "lacks columns", "checksum")


def test_a_truncated_file_is_damage_for_check_and_one_line_for_other_commands(file: Path) -> None:
    size = file.stat().st_size
    with file.open("r+b") as opened:
        opened.truncate(size // 2)
    before = file.read_bytes()
    for words in every_command(file):
        done = admin(*words)
        if words[0] == "check" and "--repair" not in words and done.status == 3:
            assert "damage" in done.out
        else:
            assert_one_line(done.status, done.err)
    assert file.read_bytes() == before


def test_a_dry_run_on_a_file_that_cannot_be_copied_is_one_line(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:100])
    done = admin("prune", "--irreproducible", "--dry-run", file)
    assert_one_line(done.status, done.err, str(file))


@pytest.mark.parametrize(
    ("words", "what"), [(["stats"], b"Records"), (["copy", "target.db"], b"Verifying")]
)
def test_a_terminal_shows_tables_and_progress(file: Path, words: list[str], what: bytes) -> None:
    command = [*COMMAND, words[0], str(file), *(str(file.with_name(word)) for word in words[1:])]
    master, terminal_end = pty.openpty()
    process = subprocess.Popen(command, stdout=terminal_end, stderr=terminal_end)
    os.close(terminal_end)
    shown = b""
    try:
        while chunk := os.read(master, 4096):
            shown += chunk
    except OSError:
        # Linux raises an error when the other end is closed
        pass
    os.close(master)
    assert process.wait() == 0
    assert what in shown
    assert b"transformation" in shown


@pytest.mark.parametrize("terminal", ["stdout", "stderr"])
def test_progress_is_shown_on_stderr_only(file: Path, terminal: str) -> None:
    master, terminal_end = pty.openpty()
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, terminal: terminal_end}
    with subprocess.Popen(
        [*COMMAND, "stats", str(file), "--json"],
        stdout=streams["stdout"],
        stderr=streams["stderr"],
    ) as process:
        os.close(terminal_end)
        shown = b""
        # Linux raises an error when the other end is closed
        with suppress(OSError):
            while chunk := os.read(master, 4096):
                shown += chunk
        out, err = process.communicate()
    os.close(master)
    if terminal == "stderr":
        assert b"Records" in shown
        assert json.loads(out)["file"] == str(file)
    else:
        assert json.loads(shown)["file"] == str(file)
        assert err == b""


def test_a_file_name_can_have_any_character(file: Path) -> None:
    odd = file.rename(file.with_name("ä ?#%41'\".db"))
    assert run_json("stats", odd)["file"] == str(odd)


def test_stored_values_are_printed_without_markup_and_control_codes(file: Path) -> None:
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("INSERT INTO rev_transformation VALUES (7, '[red]x', '\x1b[2J')")
        connection.commit()
    done = admin("check", file)
    assert done.status == 3
    assert " [red]x \\x1b[2J\n" in done.out


def test_a_closed_output_gives_no_traceback(file: Path) -> None:
    process = subprocess.Popen(
        [*COMMAND, "stats", str(file)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    with process.stderr:
        assert "Traceback" not in process.stderr.read()
    process.wait()


def test_commands_on_files_do_not_import_psycopg(file: Path) -> None:
    code = (
        "import sys; from seamless_database.admin.cli import main;"
        f"main(['check', {str(file)!r}]); print('psycopg' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("\nFalse\n")


def test_without_psycopg_a_url_is_one_error_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seamless_database.admin.access.target.find_spec", lambda _name: None)
    done = admin("stats", "postgresql+psycopg://host/db")
    assert done.status == 2
    assert "pip install 'seamless-database[postgresql]'" in done.err


def test_the_server_imports_nothing_of_the_administration(tmp_path: Path) -> None:
    code = (
        "import sys, seamless_database.cli.main, seamless_database.server.run;"
        "from seamless_database.storage.open import open_database;"
        f"open_database({str(tmp_path / 'seamless.db')!r}, writable=True).close();"
        "slow = 'rich', 'seamless_database.admin', 'seamless_database.models', 'sqlalchemy.orm';"
        "print([name for name in slow if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize("name", FIXTURES)
def test_files_of_published_servers_can_be_read(name: str, tmp_path: Path) -> None:
    if not FIXTURES[name].is_file():
        pytest.skip(f"the shared fixture {name} is not beside this checkout")
    file = Path(shutil.copy(FIXTURES[name], tmp_path))
    before = file.read_bytes()
    for word in ("stats", "check"):
        assert admin(word, file).status in {0, 3}
    assert file.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == [name]
