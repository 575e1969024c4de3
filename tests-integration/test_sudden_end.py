"""A server that ends in the middle of many writes, killed or asked to: nothing promised is lost."""

from __future__ import annotations

import http.client
import os
import random
import signal
import socket
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from database_samples import checksum
from database_server import TIMEOUT, Server
from database_targets import BACK_ENDS, DatabaseUnderTest, fresh_place
from write_stress import Acknowledged, WriteStress, missing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HALF = b'PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 200\r\n\r\n{"type": '


def is_one_plain_file(place: DatabaseUnderTest) -> bool:
    file = Path(place.target)
    return list(file.parent.iterdir()) == [file] and file.read_bytes()[18:20] == b"\x01\x01"


@pytest.fixture(params=BACK_ENDS)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[DatabaseUnderTest]:
    with fresh_place(request.param, tmp_path) as place:
        yield place


@pytest.mark.crash
@pytest.mark.stress
def test_a_killed_server_has_kept_what_it_acknowledged(
    place: DatabaseUnderTest, request: pytest.FixtureRequest, note: Callable[[str], None]
) -> None:
    rounds = request.config.getoption("--kill-rounds")
    if not place.is_file:
        # the database itself goes on, so there is less that could go wrong
        rounds = rounds // 4 + 1
    seed = random.randrange(2**32)
    moments = random.Random(seed)
    total, whole = 0, Acknowledged()
    for number in range(rounds):
        server = Server(place.target)
        # those of the round before, asked of the server that has recovered the file
        for key in list(whole.records)[:20]:
            assert server.get("metadata", checksum=key).status == 200, f"seed {seed}"
        stress = WriteStress(server, (seed, number))
        time.sleep(moments.uniform(0.01, 0.6))
        server.process.kill()
        whole = stress.stop()
        server.end()
        total += whole.count
        assert missing(place, whole) == [], f"round {number} of seed {seed}"
    with Server(place.target) as last:
        assert last.stop() == (0, "")
    assert not place.is_file or is_one_plain_file(place)
    note(f"{rounds} rounds, {total} writes acknowledged, none lost")


@pytest.mark.crash
def test_a_server_that_is_asked_to_end_has_kept_what_it_acknowledged(
    place: DatabaseUnderTest, note: Callable[[str], None]
) -> None:
    with Server(place.target) as server:
        halves = [socket.create_connection((server.host, server.port)) for _ in range(5)]
        for client in halves:
            client.sendall(HALF)
        stress = WriteStress(server, "end")
        while stress.count < 200:
            time.sleep(0.01)
        before = time.monotonic()
        assert server.stop() == (0, "")
        took = time.monotonic() - before
        whole = stress.stop()
        for client in halves:
            client.settimeout(TIMEOUT)
            answer = http.client.HTTPResponse(client)
            answer.begin()
            assert answer.status == 503
            answer.close()
            client.close()
    assert not place.is_file or is_one_plain_file(place)
    assert missing(place, whole) == []
    note(f"{whole.count} writes acknowledged, none lost; exit after {took:.2f} s")


@pytest.mark.crash
def test_a_server_killed_while_it_was_ending_has_lost_nothing(place: DatabaseUnderTest) -> None:
    for number in range(3):
        server = Server(place.target)
        stress = WriteStress(server, number, clients=6)
        while stress.count < 100:
            time.sleep(0.01)
        server.process.terminate()
        time.sleep(0.05 * number)
        server.process.kill()
        whole = stress.stop()
        server.end()
        assert missing(place, whole) == []
    with Server(place.target, writable=False) as reader:
        assert reader.get("transformation", checksum=checksum("never")).status == 404


def workers(server: Server) -> list[int]:
    pid = server.process.pid
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.mark.crash
@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="asks /proc for the processes")
def test_workers_that_are_killed_have_kept_what_they_acknowledged(
    place: DatabaseUnderTest, note: Callable[[str], None]
) -> None:
    server = Server(place.target, "--workers", "2")
    total = 0
    for whole_group in (False, True):
        stresses = [WriteStress(server, (whole_group, 0), clients=8)]
        while stresses[0].count < 50:
            time.sleep(0.01)
        doomed = workers(server)
        if whole_group:
            doomed.append(server.process.pid)
        else:
            del doomed[0]
        for pid in doomed:
            os.kill(pid, signal.SIGKILL)
        if not whole_group:
            # the other one goes on, and so does the one that takes its place
            stresses.append(WriteStress(server, (whole_group, 1), clients=8))
            while stresses[1].count < 50:
                time.sleep(0.01)
        whole = Acknowledged()
        for stress in stresses:
            whole.add(stress.stop())
        if whole_group:
            server.end()
        total += whole.count
        assert missing(place, whole) == []
    with Server(place.target, "--workers", "2") as last:
        assert last.stop() == (0, "")
    assert not place.is_file or is_one_plain_file(place)
    note(f"{total} writes acknowledged by two workers, none lost")
