"""Replays the recorded conversations with the published server against a real server of ours."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

import pytest
import transcript
from database_server import Server

from seamless_database import Database

if TYPE_CHECKING:
    from pathlib import Path

SCENARIOS = transcript.scenarios()


def test_the_recording_is_there() -> None:
    if not SCENARIOS:
        pytest.skip(f"no recording of the published server at {transcript.FILE}")
    assert sum(map(len, SCENARIOS.values())) == 1189


@pytest.mark.parametrize("name", SCENARIOS)
def test_every_exchange_agrees(name: str, tmp_path: Path) -> None:
    file = tmp_path / "seamless.db"
    disagreements: list[str] = []
    # where the recorded server was restarted, so is ours
    for mode, exchanges in groupby(SCENARIOS[name], key=lambda exchange: exchange["server"]):
        if not file.exists() and mode == "ro":
            Database(file, writable=True).close()
        with Server(file, writable=mode == "rw") as server:
            for exchange in exchanges:
                wrong = transcript.disagreement(exchange, transcript.send(server, exchange))
                if wrong:
                    disagreements.append(f"step {exchange['step']}: {wrong}")
            assert server.stop() == (0, "")
    assert disagreements == []
