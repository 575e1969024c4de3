"""Replay of the exchanges recorded with the published server, on both back ends."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

import pytest
import transcript
from database_server import Server
from database_targets import BACK_ENDS, DatabaseUnderTest, fresh_place, lasting_place

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


@pytest.fixture(scope="module", params=BACK_ENDS)
def shared_server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Server, DatabaseUnderTest]]:
    folder = tmp_path_factory.mktemp("transcript")
    with lasting_place(request.param, folder) as place, Server(place.target) as server:
        yield server, place
        assert server.stop() == (0, "")


@pytest.mark.parametrize("name", PLAIN)
def test_every_exchange_agrees(name: str, shared_server: tuple[Server, DatabaseUnderTest]) -> None:
    server, place = shared_server
    place.empty()
    assert disagreements(server, SCENARIOS[name]) == []


@pytest.mark.parametrize("back_end", BACK_ENDS)
@pytest.mark.parametrize("name", sorted(set(SCENARIOS) - set(PLAIN)))
def test_every_exchange_agrees_over_restarts(name: str, back_end: str, tmp_path: Path) -> None:
    wrong: list[str] = []
    with fresh_place(back_end, tmp_path) as place:
        place.open().close()
        # restarted where the recorded server was restarted
        for mode, exchanges in groupby(SCENARIOS[name], key=lambda exchange: exchange["server"]):
            with Server(place.target, writable=mode == "rw") as server:
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
