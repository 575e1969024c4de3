"""Claims of both clients: each transformation is computed once, but for killed workers."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from database_samples import checksum
from database_server import Server, wait_until
from other_servers import scripted_server

from seamless_database.client import AsyncDatabaseClient, DatabaseClient, claims
from seamless_database.errors import ClientError, RequestError

if TYPE_CHECKING:
    from collections.abc import Iterator

TF, RESULT = checksum("tf"), checksum("result")
#: workers in one process, and what they share
WORKERS, TRANSFORMATIONS = 64, int(os.environ.get("SEAMLESS_TEST_TRANSFORMATIONS", "30"))
#: a process with several threads that compute; each computation adds a line to a file
PROCESS = """
import random, sys, threading, time
from seamless_database.client import DatabaseClient

url, log, threads, seconds, *keys = sys.argv[1:]

def compute(key):
    with open(log, "a") as lines:
        lines.write(key + chr(10))
    time.sleep(random.uniform(0, 0.02))
    return key[::-1]

def work(order):
    for key in order:
        result = client.compute_once(key, lambda: compute(key), seconds=float(seconds))
        assert result == key[::-1]

with DatabaseClient(url) as client:
    orders = [random.sample(keys, len(keys)) for _ in range(int(threads))]
    workers = [threading.Thread(target=work, args=[order]) for order in orders]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("claims") / "seamless.db") as server:
        yield server


@pytest.fixture
def client(server: Server) -> Iterator[DatabaseClient]:
    with DatabaseClient(server.url) as client:
        yield client


@pytest.fixture
def key() -> str:
    """A transformation that no other test uses."""
    return checksum(random.random())


def test_a_claim_is_held_until_its_block_ends(client: DatabaseClient, key: str) -> None:
    with client.claim(key) as first:
        assert first.held
        assert first.result is None
        with client.claim(bytes.fromhex(key)) as second:
            assert not second.held
            assert second.holder == first.holder
            assert second.since == first.since
            assert f":{os.getpid()}:" in str(second.holder)
        assert client.get_claim(key) is not None
    assert client.get_claim(key) is None
    with client.claim(key) as third:
        assert third.held


def test_a_claim_knows_the_result(client: DatabaseClient, key: str) -> None:
    client.put_transformation(key, RESULT)
    with client.claim(key) as claim:
        assert (claim.held, claim.result, claim.holder, claim.since) == (False, RESULT, None, None)


def test_a_result_is_computed_and_stored_once(client: DatabaseClient, key: str) -> None:
    computed = []

    def compute() -> bytes:
        computed.append(key)
        return bytes.fromhex(RESULT)

    assert client.compute_once(key, compute) == RESULT
    assert client.compute_once(key, compute) == RESULT
    assert computed == [key]
    assert client.get_transformation(key) == RESULT


def test_a_failed_computation_ends_the_claim(client: DatabaseClient, key: str) -> None:
    def fail() -> str:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        client.compute_once(key, fail)
    assert client.get_claim(key) is None
    with pytest.raises(RequestError, match="result"):
        client.compute_once(key, lambda: "no checksum")
    assert client.get_claim(key) is None
    assert client.compute_once(key, lambda: RESULT) == RESULT


def test_a_claim_is_renewed_while_its_holder_computes(client: DatabaseClient, key: str) -> None:
    computed = []

    def compute(worker: str) -> str:
        computed.append(worker)
        time.sleep(1.5)
        return RESULT

    with ThreadPoolExecutor(2) as pool:
        results = [
            pool.submit(client.compute_once, key, partial(compute, worker), seconds=0.6)
            for worker in "ab"
        ]
        assert [result.result() for result in results] == [RESULT, RESULT]
    assert len(computed) == 1


@pytest.mark.parametrize("seconds", [0, -1, 1e-9, 86401, float("nan"), float("inf")])
def test_a_claim_has_a_limited_time(client: DatabaseClient, key: str, seconds: float) -> None:
    with pytest.raises(RequestError, match=r"a number of seconds from 0\.1 to 86400"):
        client.claim(key, seconds=seconds)


def test_any_number_of_seconds_makes_a_claim(client: DatabaseClient, key: str) -> None:
    with client.claim(key, seconds=Fraction(30)):  # type: ignore[arg-type]
        assert client.get_claim(key) is not None


def test_a_user_name_in_another_encoding_makes_a_claim(
    client: DatabaseClient, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOGNAME", os.fsdecode(b"Ren\xe9"))
    with client.claim(key) as claim:
        found = client.get_claim(key)
        assert found is not None
        assert str(claim.holder).startswith("Ren?@")
        assert found["holder"] == claim.holder


def test_a_claim_ends_if_its_thread_is_interrupted_while_it_starts(
    client: DatabaseClient, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = threading.Thread.start

    def interrupted(thread: threading.Thread) -> None:
        start(thread)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", interrupted)
        with pytest.raises(KeyboardInterrupt):
            client.claim(key, seconds=0.3).__enter__()
    # as long as a thread that is left would need to renew it
    time.sleep(0.3)
    assert client.get_claim(key) is None


def test_a_claim_ends_if_its_end_is_interrupted(
    client: DatabaseClient, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(_thread: threading.Thread) -> None:
        raise KeyboardInterrupt

    claim = client.claim(key, seconds=300)
    claim.__enter__()
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "join", interrupted)
        with pytest.raises(KeyboardInterrupt):
            claim.__exit__(None, None, None)
    wait_until(lambda: client.get_claim(key) is None)


def test_a_forked_child_leaves_the_claim_to_its_parent(client: DatabaseClient, key: str) -> None:
    with client.claim(key) as claim:
        pid = os.fork()
        if pid == 0:
            try:
                claim.__exit__(None, None, None)
            finally:
                os._exit(0)
        assert os.waitpid(pid, 0)[1] == 0
        assert client.get_claim(key) is not None
    assert client.get_claim(key) is None


def test_waiting_ends_before_the_timeout_of_the_client(server: Server, key: str) -> None:
    with (
        DatabaseClient(server.url) as holder,
        DatabaseClient(server.url, timeout=0.6) as other,
        holder.claim(key),
        ThreadPoolExecutor(1) as pool,
    ):
        waiting = pool.submit(other.compute_once, key, lambda: checksum("not computed"))
        time.sleep(1.5)
        assert not waiting.done()
        holder.put_transformation(key, RESULT)
        assert waiting.result() == RESULT


def older_server(request: dict[str, Any]) -> tuple[int, str]:
    if request["type"] == "claim":
        return 400, "ERROR: the field 'type' is 'claim', which is no type of request"
    if "value" in request:
        return 200, "OK"
    return (200, RESULT) if request["checksum"] == TF else (404, "ERROR: Unknown key")


def test_a_server_without_claims_lets_each_client_compute(key: str) -> None:
    with scripted_server(older_server) as (url, requests), DatabaseClient(url) as client:
        with client.claim(key) as claim:
            assert claim.held
        with client.claim(TF) as claim:
            assert (claim.held, claim.result) == (False, RESULT)
        assert client.compute_once(key, lambda: RESULT) == RESULT
        put = {"type": "transformation", "checksum": key, "value": RESULT}
        assert put in requests


def test_a_claim_is_not_ended_if_the_server_is_gone(tmp_path: Path) -> None:
    with Server(tmp_path / "seamless.db") as server, DatabaseClient(server.url) as client:
        with client.claim(TF) as claim:
            server.process.kill()
            server.process.wait()
        assert claim.held
        with pytest.raises(ClientError):
            client.compute_once(TF, lambda: RESULT)


def test_more_clients_than_may_wait_get_the_result(tmp_path: Path) -> None:
    computed: list[str] = []

    def compute() -> str:
        computed.append(TF)
        time.sleep(1.2)
        return RESULT

    with (
        Server(tmp_path / "seamless.db", "--max-connections", "16") as server,
        DatabaseClient(server.url) as client,
        ThreadPoolExecutor(14) as pool,
    ):
        asked = [pool.submit(client.compute_once, TF, compute, seconds=0.9) for _ in range(14)]
        assert {one.result() for one in asked} == {RESULT}
    assert computed == [TF]


def test_tasks_compute_each_transformation_once(server: Server) -> None:
    keys = [checksum(("task", number)) for number in range(TRANSFORMATIONS)]
    computed: Counter[str] = Counter()

    async def worker(client: AsyncDatabaseClient, order: list[str]) -> None:
        for key in order:

            async def compute(key: str = key) -> str:
                computed[key] += 1
                await asyncio.sleep(0.01)
                return key

            assert await client.compute_once(key, compute) == key

    async def work() -> None:
        async with AsyncDatabaseClient(server.url) as client:
            orders = [random.sample(keys, len(keys)) for _ in range(WORKERS)]
            await asyncio.gather(*(worker(client, order) for order in orders))

    asyncio.run(work())
    assert computed == Counter(keys)


def test_a_claim_of_a_task_is_renewed_and_ended(server: Server, key: str) -> None:
    async def hold() -> None:
        async with AsyncDatabaseClient(server.url) as client:
            async with client.claim(key, seconds=0.6) as claim:
                await asyncio.sleep(1.2)
                async with client.claim(key) as other:
                    assert (claim.held, other.held) == (True, False)
                    assert other.holder == claim.holder
            assert await client.get_claim(key) is None

    asyncio.run(hold())


@pytest.mark.parametrize("_round", range(5))
def test_a_cancelled_task_ends_its_claim(_round: int, server: Server, key: str) -> None:
    async def hold() -> None:
        async with AsyncDatabaseClient(server.url) as client:
            await client.get_protocol()

            async def compute() -> str:
                await asyncio.sleep(60)
                return RESULT

            task = asyncio.create_task(client.compute_once(key, compute))
            # at any moment: before, between and after its requests
            await asyncio.sleep(random.uniform(0, 0.02))
            task.cancel()
            await asyncio.wait([task])
            assert task.cancelled()
            assert await client.get_claim(key) is None

    asyncio.run(hold())


def test_a_task_that_is_cancelled_while_its_claim_ends_ends_it(server: Server, key: str) -> None:
    async def hold() -> None:
        async with AsyncDatabaseClient(server.url) as client:
            claim = client.claim(key, seconds=300)
            await claim.__aenter__()
            ending = asyncio.create_task(claim.__aexit__(None, None, None))
            await asyncio.sleep(0)
            ending.cancel()
            await asyncio.wait([ending])
            while await client.get_claim(key) is not None:  # noqa: ASYNC110  # another process
                await asyncio.sleep(0.01)

    asyncio.run(asyncio.wait_for(hold(), 20))


def test_a_server_that_hangs_delays_no_cancellation(
    key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claims, "END_WAIT", 0.1)

    async def hold(url: str) -> None:
        async with AsyncDatabaseClient(url) as client:
            task = asyncio.create_task(client.claim(key).__aenter__())
            await asyncio.sleep(0.1)
            task.cancel()
            await asyncio.wait([task], timeout=20)
            assert task.cancelled()

    with socket.create_server(("127.0.0.1", 0)) as hanging:
        asyncio.run(hold(f"http://127.0.0.1:{hanging.getsockname()[1]}"))


def test_waiting_tasks_leave_connections_to_the_others(server: Server) -> None:
    keys = [checksum(("waited for", number)) for number in range(40)]

    async def work() -> None:
        async with (
            AsyncDatabaseClient(server.url) as holder,
            AsyncDatabaseClient(server.url, timeout=5) as client,
        ):
            for key in keys:
                await holder.put_claim(key, "another", 60)

            async def compute() -> str:
                raise AssertionError("another worker has the claim")

            waiting = [asyncio.create_task(client.compute_once(key, compute)) for key in keys]
            await asyncio.sleep(0.3)
            await client.put_transformations(dict.fromkeys(keys, RESULT))
            assert await asyncio.gather(*waiting) == [RESULT] * len(keys)

    asyncio.run(work())


def test_processes_compute_each_transformation_once_also_if_some_are_killed(
    where: Path | str, tmp_path: Path
) -> None:
    keys = [checksum(("process", number)) for number in range(TRANSFORMATIONS)]
    log = tmp_path / "computed"
    log.touch()
    with ExitStack() as stack:
        replicas = 1 if isinstance(where, Path) else 2
        servers = [stack.enter_context(Server(where)) for _ in range(replicas)]
        processes = []
        for number in range(WORKERS // 16):
            url = servers[number % replicas].url
            words = [sys.executable, "-c", PROCESS, url, str(log), "16", "2", *keys]
            processes.append(subprocess.Popen(words))
        killed = processes[0]
        wait_until(lambda: len(log.read_text().splitlines()) > len(keys) // 4)
        killed.send_signal(signal.SIGKILL)
        assert [process.wait(120) for process in processes] == [-signal.SIGKILL, 0, 0, 0]
        with DatabaseClient(servers[0].url) as client:
            results = client.get_transformations(keys)
        assert results == {key: key[::-1] for key in keys}
    computed = Counter(log.read_text().split())
    assert computed.keys() == set(keys)
    # each of its 16 threads may have had a claim
    assert computed.total() - len(keys) <= 16


def test_a_thread_that_waits_takes_over_from_a_killed_process(
    client: DatabaseClient, server: Server, key: str
) -> None:
    script = (
        "import sys, time; from seamless_database.client import DatabaseClient\n"
        "with DatabaseClient(sys.argv[1]).claim(sys.argv[2], seconds=1):\n"
        "    print('held', flush=True); time.sleep(60)"
    )
    words = [sys.executable, "-c", script, server.url, key]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        done = threading.Event()

        def compute() -> str:
            done.set()
            return RESULT

        waiting = threading.Thread(target=client.compute_once, args=(key, compute))
        waiting.start()
        # longer than the claim, which its holder renews
        assert not done.wait(1.5)
        holder.kill()
        assert done.wait(20)
        waiting.join()
    assert client.get_transformation(key) == RESULT
