"""Several servers on one PostgreSQL: one of them killed, or the database gone for a while."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from database_samples import checksum, record
from database_server import TIMEOUT, Server
from database_targets import DatabaseUnderTest, fresh_place
from postgres_process import own_server
from write_stress import Acknowledged, WriteStress, missing

from seamless_database.errors import ServerError
from seamless_database.storage.open import open_database

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

WRITERS = 32
KEYS = 12


@pytest.fixture
def place(tmp_path: Path) -> Iterator[DatabaseUnderTest]:
    with fresh_place("postgresql", tmp_path) as place:
        yield place


@pytest.mark.stress
def test_of_conflicting_writers_one_wins_and_all_servers_tell_the_same(
    place: DatabaseUnderTest,
) -> None:
    with Server(place.target) as one, Server(place.target) as other:
        servers = (one, other)
        start = threading.Barrier(WRITERS)

        def write(writer: int) -> list[int]:
            """Offer another result for each key; returns the keys that this writer has won."""
            server, won = servers[writer % 2], []
            start.wait(TIMEOUT)
            for number in range(KEYS):
                key, result = checksum(("key", number)), checksum((number, writer))
                body = record(key, result)
                answer = server.put("metadata", checksum=key, result=result, value=body)
                assert answer.status in (200, 409), answer
                if answer.status == 200:
                    won.append(number)
                # one of the values has won; from now on every server answers with it
                reported = {each.get("transformation", checksum=key).text for each in servers}
                assert len(reported) == 1
                assert (answer.status == 200) == (reported == {result})
            return won

        with ThreadPoolExecutor(WRITERS) as pool:
            won = list(pool.map(write, range(WRITERS)))
    assert sorted(number for numbers in won for number in numbers) == list(range(KEYS))
    assert place.count("transformation") == place.count("meta_data") == KEYS
    assert place.count("rev_transformation") == KEYS


@pytest.mark.stress
def test_what_one_server_has_acknowledged_the_other_tells_at_once(place: DatabaseUnderTest) -> None:
    with Server(place.target) as one, Server(place.target) as other:

        def follow(writer: int) -> None:
            key = checksum(writer)
            for number in range(20):
                ours, theirs = (one, other) if number % 2 else (other, one)
                result = checksum((writer, number))
                assert ours.put("transformation", checksum=key, value=result).status == 200
                assert theirs.get("transformation", checksum=key).text == result

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(follow, range(8)))


@pytest.mark.crash
@pytest.mark.stress
def test_a_killed_server_loses_nothing_and_holds_up_nobody(
    place: DatabaseUnderTest, note: Callable[[str], None]
) -> None:
    whole = Acknowledged()
    with Server(place.target) as survivor:
        for number in range(3):
            victim = Server(place.target)
            stresses = [
                WriteStress(server, (name, number), clients=8)
                for name, server in (("victim", victim), ("survivor", survivor))
            ]
            while min(stress.count for stress in stresses) < 40:
                time.sleep(0.01)
            victim.process.kill()
            before = stresses[1].count
            while stresses[1].count < before + 40:
                time.sleep(0.01)
            for stress in stresses:
                whole.add(stress.stop())
            victim.end()
        for key in list(whole.records)[:50]:
            assert survivor.get("metadata", checksum=key).status == 200
    assert whole.refused == 0
    assert missing(place, whole) == []
    note(f"{whole.count} writes acknowledged by a server that was killed and one that was not")


@pytest.mark.crash
@pytest.mark.stress
def test_while_the_database_is_away_servers_say_so_and_then_go_on(
    note: Callable[[str], None],
) -> None:
    whole = Acknowledged()
    with own_server() as postgres, Server(postgres.url) as one, Server(postgres.url) as other:
        servers = (one, other)
        stresses = [WriteStress(server, server.port, clients=6) for server in servers]
        _wait_for(lambda: min(stress.count for stress in stresses) >= 50)
        postgres.stop()
        for server in servers:
            put = server.put("transformation", checksum=checksum(1), value=checksum(2))
            get = server.get("transformation", checksum=checksum(1))
            for answer in (put, get, server.get("rev_transformations", checksum=checksum(2))):
                assert answer.status == 503, answer
                assert answer.text.startswith("ERROR: the database could not be "), answer
            health = server.ask("GET", path="/healthcheck")
            assert health.status == 503
            assert health.text.startswith("ERROR: degraded: ")
            assert server.ask("GET", path="/metrics").status == 200
        postgres.start()
        before = max(stress.count for stress in stresses)
        _wait_for(lambda: min(stress.count for stress in stresses) > before + 50)
        _wait_for(lambda: all(map(_is_well, servers)))
        for stress in stresses:
            assert stress.refused > 0
            whole.add(stress.stop())
        assert missing(DatabaseUnderTest(postgres.url), whole) == []
    note(f"{whole.count} writes acknowledged before and after, {whole.refused} refused meanwhile")


@pytest.mark.stress
def test_a_standby_can_be_read_and_is_not_written() -> None:
    with own_server() as postgres, Server(postgres.url) as writer, postgres.standby() as standby:
        with pytest.raises(ServerError, match="leave out --writable"):
            open_database(standby, writable=True)
        with Server(standby, writable=False) as reader:
            for number in range(3):
                key, value = checksum(number), checksum(-number)
                assert writer.put("transformation", checksum=key, value=value).status == 200

                def arrived(key: str = key, value: str = value) -> bool:
                    answer = reader.get("transformation", checksum=key)
                    assert answer.status == 404 or answer.text == value
                    return answer.status == 200

                _wait_for(arrived)
            assert reader.put("transformation", checksum=key, value=value).status == 405
            assert _is_well(reader)
            # as when the standby takes over: the one that writes must be distinguishable
            postgres.stop()
            _wait_for(lambda: not _is_well(writer))
            assert reader.get("transformation", checksum=checksum(0)).text == checksum(0)
            assert _is_well(reader)


def _is_well(server: Server) -> bool:
    return server.ask("GET", path="/healthcheck").status == 200


def _wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + TIMEOUT
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)
