"""Servers that start at random times of every sub-command: acknowledged writes are kept.

`SEAMLESS_TEST_ROUNDS` is how often each sub-command is tried, at other moments each time,
`SEAMLESS_TEST_SEED` changes these moments, and `SEAMLESS_TEST_ROWS` makes commands take longer.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import time
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from admin_samples import (
    COMMAND,
    admin,
    buffer_info,
    make_legacy,
    metadata,
    put,
    put_irreproducible,
    run_json,
    sql,
    transformation,
)
from database_samples import checksum
from database_server import TIMEOUT, Server

from seamless_database.storage.open import open_database

ROUNDS = int(os.environ.get("SEAMLESS_TEST_ROUNDS", "1"))
SEED = os.environ.get("SEAMLESS_TEST_SEED", "0")
#: rows that a command finds and changes; enough for it to take some time
ROWS = int(os.environ.get("SEAMLESS_TEST_ROWS", "2000"))
#: seconds within which a command and the first server start
SPREAD = 0.8
CHANGING_COMMANDS = {
    "prune old results": ("prune", "{file}", "--older-than", "2025-01-01"),
    "prune irreproducible results": ("prune", "{file}", "--irreproducible"),
    "repair": ("check", "{file}", "--repair"),
    "copy into it": ("copy", "{other}", "{file}"),
}
COMMANDS = {
    **CHANGING_COMMANDS,
    "migrate": ("migrate", "{file}"),
    "dry run of prune": ("prune", "{file}", "--irreproducible", "--dry-run"),
    "stats": ("stats", "{file}"),
    "check": ("check", "{file}"),
    "export": ("export", "{file}", "{new}"),
    "copy": ("copy", "{file}", "{new}"),
    "merge": ("merge", "{file}", "--into", "{new}"),
}


def add_rows(where: Path | str) -> None:
    """Add rows to prune and to repair, with the highest row numbers of their tables."""
    is_file = isinstance(where, Path)
    key = "printf('%064x', i)" if is_file else "lpad(to_hex(i), 64, '0')"
    result = checksum("old")
    record = (
        f"""'{{"tf_checksum":"' || {key} || '","result_checksum":"{result}","""
        """"finished_at":"2020-01-01"}'"""
    )
    numbers = f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {ROWS})"
    for target, values in (
        ("transformation (checksum, result)", f"{key}, '{result}'"),
        ("rev_transformation (checksum, result)", f"{key}, '{result}'"),
        # duplicates to repair
        ("rev_transformation (checksum, result)", f"{key}, '{result}'"),
        ("meta_data (checksum, result, metadata)", f"{key}, '{result}', {record}"),
        (
            "irreproducible_transformation (checksum, result, metadata)",
            f"{key}, '{checksum('irreproducible')}', '\"\"'",
        ),
    ):
        sql(where, f"INSERT INTO {target} {numbers} SELECT {values} FROM n")


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = put(tmp_path_factory.mktemp("template") / "filled.db", transformation("kept", "a"))
    add_rows(file)
    return file


@dataclass
class Client:
    """Writes to every server that starts, and records the acknowledged requests."""

    #: the last request of each type and checksum
    acknowledged: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    numbers: count[int] = field(default_factory=count)

    def write_until_end(self, server: Server, command: subprocess.Popen[str]) -> None:
        """Write until the command has ended, and once more."""
        last = False
        while not last:
            last = command.poll() is not None
            number = next(self.numbers)
            # a row that the command may be deleting or repairing
            old = f"{ROWS - number % ROWS:064x}"
            for request in (
                {"type": "transformation", "checksum": old, "value": checksum(("again", number))},
                metadata(("new", number), number, finished_at="2026-01-01"),
                buffer_info(("new", number), length=number),
                put_irreproducible(("irreproducible", number), number),
            ):
                answer = server.ask("PUT", request)
                assert answer.status in {200, 503}, answer.text
                if answer.status == 200:
                    self.acknowledged[request["type"], request["checksum"]] = request

    def check(self, where: Path | str, *, irreproducible: bool) -> None:
        """Check that every acknowledged write is stored."""
        with open_database(where) as database:
            for (kind, key), request in self.acknowledged.items():
                if kind != "irreproducible" or irreproducible:
                    found = database.get({"type": kind, "checksum": key})
                    assert found is not None, (kind, key)
                    assert kind != "transformation" or found == request["value"], key


def serve_during(
    where: Path | str, command: subprocess.Popen[str], client: Client, rng: random.Random
) -> None:
    """Start servers until one runs; the command may refuse them until it has ended."""
    while True:
        may_refuse = command.poll() is None
        server = Server(where, wait=False)
        try:
            server.wait_until_ready()
        except AssertionError:
            code, err = server.end()
            assert may_refuse, err
            assert (code, err.count("\n")) == (1, 1), err
            time.sleep(rng.uniform(0, SPREAD / 10))
        else:
            client.write_until_end(server, command)
            assert server.stop() == (0, "")
            return


def run(words: list[str], where: Path | str, folder: Path, rng: random.Random) -> Client:
    """Run a command and servers at the same time, started in random order."""
    client = Client()
    delays = [rng.uniform(0, SPREAD) for _ in range(2)]
    delayed = f'sleep {delays[0]:.3f}; exec "$@"'
    with subprocess.Popen(
        ["/bin/sh", "-c", delayed, "sh", *COMMAND, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # the folder of the backup of a PostgreSQL database
        cwd=folder,
    ) as command:
        try:
            time.sleep(delays[1])
            serve_during(where, command, client, rng)
            _, err = command.communicate(timeout=TIMEOUT)
        finally:
            command.kill()
    assert command.returncode in {0, 1, 3}, err
    assert err.count("\n") == (command.returncode == 1), err
    assert client.acknowledged
    return client


def command_line(name: str, where: Path | str, other: Path) -> list[str]:
    names = {"file": where, "other": other, "new": other.with_name("new.db")}
    return [word.format(**names) for word in COMMANDS[name]]


def has_kept_row(where: Path | str) -> bool:
    with open_database(where) as database:
        found = database.get({"type": "transformation", "checksum": checksum("kept")})
    return found == checksum("a")


@pytest.mark.parametrize("number", range(ROUNDS))
@pytest.mark.parametrize("name", COMMANDS)
def test_acknowledged_writes_during_a_command_on_a_file_are_kept(
    name: str, number: int, template: Path, tmp_path: Path
) -> None:
    file = Path(shutil.copy(template, tmp_path / "seamless.db"))
    other = Path(shutil.copy(template, tmp_path / "other.db"))
    if name == "migrate":
        make_legacy(file, {1: {}})
    elif name == "copy into it":
        sql(file, "DELETE FROM buffer_info")
        sql(file, "DELETE FROM meta_data WHERE substr(checksum, 64) = '7'")
    rng = random.Random(f"{SEED} {name} {number}")
    client = run(command_line(name, file, other), file, tmp_path, rng)
    client.check(file, irreproducible=True)
    assert has_kept_row(file)
    assert admin("check", file, "--json").json()["damage"] == []


@pytest.mark.parametrize("number", range(ROUNDS))
@pytest.mark.parametrize("name", CHANGING_COMMANDS)
def test_acknowledged_writes_during_a_command_on_a_postgresql_are_kept(
    name: str, number: int, template: Path, tmp_path: Path, postgresql: str
) -> None:
    run_json("copy", template, postgresql)
    other = Path(shutil.copy(template, tmp_path / "other.db"))
    if name == "copy into it":
        sql(postgresql, "DELETE FROM meta_data WHERE substr(checksum, 64) = '7'")
    rng = random.Random(f"{SEED} {name} {number}")
    client = run(command_line(name, postgresql, other), postgresql, tmp_path, rng)
    # the command can delete a result right after it became irreproducible
    client.check(postgresql, irreproducible=name != "prune irreproducible results")
    assert has_kept_row(postgresql)
