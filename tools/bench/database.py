"""seamless-database beside the published server and a bare application, round by round."""

from __future__ import annotations

import contextlib
import hashlib
import json
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

from environments import ours, published
from load import load, request
from table import Row

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CONNECTIONS = 30  # as many as the published client opens
KEYS = 1_000
READS, WRITES = 10_000, 2_000
HERE = Path(__file__).parent
PATIENCE = 30.0  # seconds


def checksum(number: int, kind: str = "tf") -> str:
    """A checksum of its own for each number."""
    return hashlib.sha256(f"{kind}{number}".encode()).hexdigest()


def record(number: int) -> dict[str, Any]:
    """An execution record of the usual size."""
    return {
        "schema_version": 1,
        "tf_checksum": checksum(number),
        "result_checksum": checksum(number, "result"),
        "seamless_version": "0.2.0",
        "execution_mode": "process",
        "remote_target": None,
        "wall_time_seconds": 1.25 + number,
        "cpu_time_user_seconds": 1.0,
        "cpu_time_system_seconds": 0.1,
        "memory_peak_bytes": 123456789,
        "gpu_memory_peak_bytes": None,
    }


def asking(kind: str, **fields: Any) -> bytes:
    """Write a body."""
    return json.dumps({"type": kind, **fields}).encode()


def put_result(number: int) -> bytes:
    body = asking("transformation", checksum=checksum(number), value=checksum(number, "result"))
    return request("PUT", body)


def put_record(number: int) -> bytes:
    result = checksum(number, "result")
    body = asking("metadata", checksum=checksum(number), result=result, value=record(number))
    return request("PUT", body)


def get(kind: str, numbers: range) -> list[bytes]:
    return [request("GET", asking(kind, checksum=checksum(n))) for n in numbers]


def reads(kind: str, first: int) -> Callable[[int], tuple[list[bytes], int]]:
    """Look-ups of one kind, the same in each round."""
    return lambda _: (get(kind, range(first, first + KEYS)), READS)


def writes(make: Callable[[int], bytes]) -> Callable[[int], tuple[list[bytes], int]]:
    """Writes of new rows, others in each round."""
    return lambda round_: (
        [make(n) for n in range(10_000_000 + round_ * WRITES, 10_000_000 + (round_ + 1) * WRITES)],
        WRITES,
    )


#: name -> (requests of a round and how many of them, connections)
WORKLOADS: dict[str, tuple[Callable[[int], tuple[list[bytes], int]], int]] = {
    "GET result, hit": (reads("transformation", 0), CONNECTIONS),
    "GET result, miss": (reads("transformation", 5_000_000), CONNECTIONS),
    "GET record": (reads("metadata", 0), CONNECTIONS),
    "GET result, one connection": (reads("transformation", 0), 1),
    "PUT result": (writes(put_result), CONNECTIONS),
    "PUT record": (writes(lambda n: put_record(n + 1_000_000_000)), CONNECTIONS),
    "PUT result, one connection": (writes(lambda n: put_result(n + 2_000_000_000)), 1),
}


@contextlib.contextmanager
def process(command: list[str | Path], port: int) -> Iterator[int]:
    """Run a server until the block ends; the port once it listens."""
    with subprocess.Popen(
        list(map(str, command)), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as server:
        try:
            wait_for(port)
            yield port
        finally:
            server.terminate()
            server.wait(PATIENCE)


def wait_for(port: int) -> None:
    """Wait until something answers on a port."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/healthcheck", timeout=5).close()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def database(binaries: Path, folder: Path) -> tuple[list[str | Path], int]:
    """The command of a database server, and its port."""
    port = free_port()
    command: list[str | Path] = [binaries / "seamless-database", folder / "seamless.db"]
    return [*command, "--writable", "--host", "127.0.0.1", "--port", str(port)], port


def bare() -> tuple[list[str | Path], int]:
    """The command of the bare application, and its port."""
    port = free_port()
    command: list[str | Path] = [sys.executable, "-m", "uvicorn", "bare_app:app"]
    command += ["--app-dir", HERE, "--host", "127.0.0.1", "--port", str(port)]
    return [*command, "--no-access-log", "--loop", "uvloop", "--http", "httptools"], port


def run(rounds: int) -> list[Row]:
    """Measure every workload in turns; seconds are those of one request."""
    with contextlib.ExitStack() as stack:
        folders = [Path(stack.enter_context(tempfile.TemporaryDirectory())) for _ in range(2)]
        servers = [
            stack.enter_context(process(*database(ours(), folders[0]))),
            stack.enter_context(process(*database(published(), folders[1]))),
            stack.enter_context(process(*bare())),
        ]
        for port in servers[:2]:
            load(port, [put_record(n) for n in range(KEYS)], CONNECTIONS, KEYS)
        return [
            Row(name, *measure(workload, connections, servers, rounds))
            for name, (workload, connections) in WORKLOADS.items()
        ]


def measure(
    workload: Callable[[int], tuple[list[bytes], int]],
    connections: int,
    ports: list[int],
    rounds: int,
) -> list[list[float]]:
    """Seconds a request for each server and round."""
    times: list[list[float]] = [[] for _ in ports]
    for round_ in range(rounds):
        requests, count = workload(round_)
        for port, seconds in zip(ports, times, strict=True):
            seconds.append(1 / load(port, requests, connections, count).per_second)
    return times
