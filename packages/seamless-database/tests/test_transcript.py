"""Replays the recorded conversations with the published server against a real server of ours."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from itertools import groupby
from typing import TYPE_CHECKING

import pytest
import transcript
from database_server import Server

from seamless_database import Database
from seamless_database.schema import TABLES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

SCENARIOS = transcript.scenarios()


def test_the_recording_is_there() -> None:
    if not SCENARIOS:
        pytest.skip(f"no recording of the published server at {transcript.FILE}")
    assert sum(map(len, SCENARIOS.values())) == 1189


#: those in which the recorded server was never restarted or read-only
PLAIN = [name for name in SCENARIOS if {step["server"] for step in SCENARIOS[name]} == {"rw"}]


@pytest.fixture(scope="module")
def shared_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Path]]:
    file = tmp_path_factory.mktemp("transcript") / "seamless.db"
    with Server(file) as server:
        yield server, file
        assert server.stop() == (0, "")


@pytest.mark.parametrize("name", PLAIN)
def test_every_exchange_agrees(name: str, shared_server: tuple[Server, Path]) -> None:
    server, file = shared_server
    with closing(sqlite3.connect(file)) as raw, raw:
        for table in TABLES:
            raw.execute(f"DELETE FROM {table}")
    assert disagreements(server, SCENARIOS[name]) == []


@pytest.mark.parametrize("name", sorted(set(SCENARIOS) - set(PLAIN)))
def test_every_exchange_agrees_over_restarts(name: str, tmp_path: Path) -> None:
    file = tmp_path / "seamless.db"
    wrong: list[str] = []
    # where the recorded server was restarted, so is ours
    for mode, exchanges in groupby(SCENARIOS[name], key=lambda exchange: exchange["server"]):
        if not file.exists() and mode == "ro":
            Database(file, writable=True).close()
        with Server(file, writable=mode == "rw") as server:
            wrong += disagreements(server, exchanges)
            assert server.stop() == (0, "")
    assert wrong == []


def disagreements(server: Server, exchanges: Iterable[transcript.Exchange]) -> list[str]:
    found = []
    for exchange in exchanges:
        wrong = transcript.disagreement(exchange, transcript.send(server, exchange))
        if wrong:
            found.append(f"step {exchange['step']}: {wrong}")
    return found
