"""Two replicas on one PostgreSQL behind one address: the deployment of SCALING.md."""

from __future__ import annotations

import hashlib
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from database_server import Server
from load_balancer import load_balancer
from postgres_server import fresh_database

from seamless_database.client import DatabaseClient
from seamless_database.errors import ConflictError

KEYS = 40


def record(tf: str, result: str) -> dict[str, object]:
    return {
        "schema_version": 1,
        "tf_checksum": tf,
        "result_checksum": result,
        "seamless_version": "0.2.0",
        "execution_mode": "process",
        "wall_time_seconds": 1.25,
        "cpu_time_user_seconds": 1.0,
        "cpu_time_system_seconds": 0.1,
        "memory_peak_bytes": 123456789,
    }


def checksum(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@pytest.fixture(scope="module")
def replicas() -> Iterator[list[Server]]:
    with ExitStack() as stack:
        url = stack.enter_context(fresh_database())
        yield [stack.enter_context(Server(url)) for _ in range(2)]


@pytest.fixture(scope="module")
def client(
    replicas: list[Server], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[DatabaseClient]:
    ports = [replica.port for replica in replicas]
    folder = tmp_path_factory.mktemp("nginx")
    with load_balancer(ports, folder) as port, DatabaseClient(f"http://127.0.0.1:{port}") as client:
        yield client


def test_reads_have_a_body_and_get_through(client: DatabaseClient) -> None:
    assert client.get_protocol() == ["seamless", "database", "2.1"]
    assert client.get_transformation(checksum("nothing")) is None


def test_what_one_replica_has_written_every_replica_reads(
    client: DatabaseClient, replicas: list[Server]
) -> None:
    for number in range(KEYS):
        client.put_transformation(checksum(f"tf {number}"), checksum(f"result {number}"))
        wanted = checksum(f"result {number}")
        answers = [r.get("transformation", checksum=checksum(f"tf {number}")) for r in replicas]
        assert [answer.text for answer in answers] == [wanted, wanted]
        assert client.get_transformation(checksum(f"tf {number}")) == wanted


def test_both_replicas_get_their_share(client: DatabaseClient, replicas: list[Server]) -> None:
    before = [_requests(replica) for replica in replicas]
    for number in range(KEYS):
        client.get_transformation(checksum(f"share {number}"))
    after = [_requests(replica) for replica in replicas]
    assert all(now > then for now, then in zip(after, before, strict=True))


def test_a_refusal_comes_through_as_it_is(client: DatabaseClient) -> None:
    tf, result = checksum("refused"), checksum("refused result")
    client.put_transformation(tf, checksum("another result"))
    with pytest.raises(ConflictError, match="does not match execution record result"):
        client.put_metadata(tf, result, record(tf, result))


def test_a_batch_larger_than_a_memory_page_gets_through(client: DatabaseClient) -> None:
    pairs = {checksum(f"many {n}"): checksum(f"many result {n}") for n in range(KEYS)}
    for tf, result in pairs.items():
        client.put_transformation(tf, result)
    asked = [*pairs, *(checksum(f"missing {n}") for n in range(2_000))]
    found = client.get_transformations(asked)
    assert {tf: found[tf] for tf in pairs} == pairs


def test_reads_go_on_when_a_replica_dies(tmp_path: Path) -> None:
    with ExitStack() as stack:
        url = stack.enter_context(fresh_database())
        doomed, other = (stack.enter_context(Server(url)) for _ in range(2))
        port = stack.enter_context(load_balancer([doomed.port, other.port], tmp_path))
        client = stack.enter_context(DatabaseClient(f"http://127.0.0.1:{port}"))
        for number in range(KEYS):
            client.put_transformation(checksum(f"tf {number}"), checksum(f"result {number}"))
        doomed.stop(signal.SIGKILL)
        for number in range(KEYS):
            found = client.get_transformation(checksum(f"tf {number}"))
            assert found == checksum(f"result {number}")


def _requests(replica: Server) -> float:
    lines = replica.ask("GET", path="/metrics").text.splitlines()
    name = "seamless_database_requests_total"
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(name))
