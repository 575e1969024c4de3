"""Several worker processes on one address: balance, restarts, shutdown and metrics."""

from __future__ import annotations

import http.client
import json
import os
import select
import signal
import socket
import subprocess
import sys
import textwrap
import time
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from database_samples import checksum
from database_server import TIMEOUT, Server, wait_until
from prometheus_client.parser import text_string_to_metric_families

from seamless_database import Database
from seamless_database.cli.main import main
from seamless_database.errors import FileError
from seamless_database.storage.sqlite.fair_lock import FairWriterLock

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/task").is_dir(), reason="asks /proc for the processes"
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "seamless.db"


@pytest.fixture
def server(file: Path) -> Iterator[Server]:
    with Server(file, "--workers", "2") as server:
        yield server


def workers(server: Server) -> list[int]:
    """The process numbers of the workers."""
    pid = server.process.pid
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


class Connection:
    """A connection to one of the workers, and to which."""

    def __init__(self, server: Server) -> None:
        before = {pid: sockets(pid) for pid in workers(server)}
        self._http = http.client.HTTPConnection(server.host, server.port, timeout=TIMEOUT)
        self._http.request("GET", "/healthcheck")
        self._http.getresponse().read()
        (self.worker,) = (pid for pid, count in before.items() if sockets(pid) > count)

    def ask(self, method: str, **body: Any) -> str:
        self._http.request(method, "/", json.dumps(body))
        return self._http.getresponse().read().decode()

    def close(self) -> None:
        self._http.close()


def sockets(pid: int) -> int:
    links = Path(f"/proc/{pid}/fd")
    return sum(os.readlink(link).startswith("socket:") for link in links.iterdir())


@pytest.fixture
def pair(server: Server) -> Iterator[tuple[Connection, Connection]]:
    """A connection to each of the two workers."""
    opened = [Connection(server)]
    while opened[-1].worker == opened[0].worker:
        opened.append(Connection(server))
    yield opened[0], opened[-1]
    for connection in opened:
        connection.close()


def is_one_plain_file(file: Path) -> bool:
    beside = [entry.name for entry in file.parent.iterdir() if entry.name.startswith(file.name)]
    return beside == [file.name] and file.read_bytes()[18:20] == b"\x01\x01"


def program(text: str) -> subprocess.CompletedProcess[str]:
    """Run a program in a process of its own, because it forks."""
    preface = """
import os, signal, sys, time
from seamless_database.server import supervisor
from seamless_database.server.supervisor import Supervisor
supervisor.BACKOFF = 0.01

def run(work, count=2, **options):
    workers = Supervisor(count, [], work, report_error=print, **options)
    return workers.run([signal.SIGTERM], on_ready)

# readable once all workers are ready
all_ready, writer = os.pipe()

def on_ready():
    print("ready")
    os.write(writer, b"." * 100)
"""
    return subprocess.run(
        [sys.executable, "-c", preface + textwrap.dedent(text)],
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )


# all workers together


def test_a_write_of_one_worker_is_visible_to_the_other_at_once(
    pair: tuple[Connection, Connection],
) -> None:
    for number in range(100):
        key, writer, reader = checksum(number), pair[number % 2], pair[1 - number % 2]
        for value in (checksum(-number), checksum((number, "another"))):
            assert writer.ask("PUT", type="transformation", checksum=key, value=value) == "OK"
            assert reader.ask("GET", type="transformation", checksum=key) == value
    first, second = pair
    assert first.worker != second.worker


def test_connections_are_distributed_evenly(server: Server) -> None:
    before = {pid: sockets(pid) for pid in workers(server)}
    opened = [socket.create_connection((server.host, server.port)) for _ in range(20)]
    try:
        wait_until(lambda: [sockets(pid) - count for pid, count in before.items()] == [10, 10])
    finally:
        for connection in opened:
            connection.close()


def test_the_number_of_connections_is_that_of_all_workers_together(file: Path) -> None:
    with Server(file, "--workers", "2", "--max-connections", "4") as server:
        before = {pid: sockets(pid) for pid in workers(server)}
        opened = [socket.create_connection((server.host, server.port)) for _ in range(8)]
        try:
            # four are closed in favour of the others
            wait_until(lambda: len(select.select(opened, [], [], 0)[0]) == 4)
            wait_until(lambda: [sockets(pid) - count for pid, count in before.items()] == [2, 2])
        finally:
            for connection in opened:
                connection.close()


def test_a_stopped_worker_leaves_new_connections_to_the_others(
    server: Server, pair: tuple[Connection, Connection]
) -> None:
    os.kill(pair[0].worker, signal.SIGTERM)
    while pair[0].worker in workers(server):
        with urllib.request.urlopen(f"{server.url}/healthcheck", timeout=TIMEOUT) as response:
            assert response.status == 200
    wait_until(lambda: len(workers(server)) == 2)


def test_a_signal_to_the_supervisor_stops_all_workers_and_ends_wal_mode(
    server: Server, file: Path
) -> None:
    server.put("transformation", checksum=checksum(1), value=checksum(2))
    running = workers(server)
    assert len(running) == 2
    assert server.stop(signal.SIGINT) == (0, "")
    assert not any(map(alive, running))
    assert is_one_plain_file(file)


def test_an_incomplete_request_is_answered_at_the_shutdown(server: Server) -> None:
    with socket.create_connection((server.host, server.port), timeout=TIMEOUT) as client:
        client.sendall(b"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
        time.sleep(0.3)
        server.process.terminate()
        assert b" 503 " in client.recv(1000)
    assert server.end() == (0, "")


def test_the_status_file_says_running_once_all_workers_are_ready(
    file: Path, tmp_path: Path
) -> None:
    status = tmp_path / "status.json"
    status.write_text('{"pid": 7}')
    with Server(file, "--workers", "3", "--status-file", str(status)) as server:
        expected = {"pid": 7, "status": "running", "port": server.port}
        assert json.loads(status.read_text()) == expected
        assert len(workers(server)) == 3


def test_workers_serve_a_read_only_file(file: Path) -> None:
    with Database(file, writable=True) as database:
        database.put({"type": "transformation", "checksum": checksum(1), "value": checksum(2)})
    with Server(file, "--workers", "2", writable=False) as server:
        assert server.get("transformation", checksum=checksum(1)).text == checksum(2)
        assert server.stop() == (0, "")


def test_the_server_stops_when_all_workers_are_idle(file: Path) -> None:
    with Server(file, "--workers", "2", "--timeout", "1") as server:
        # one connection leads to one worker, so the other one is idle
        for _ in range(6):
            assert server.get("protocol").status == 200
            time.sleep(0.25)
        assert server.process.poll() is None
        assert server.end() == (0, "")
    assert is_one_plain_file(file)


# one worker exits


def test_a_killed_worker_is_restarted_and_loses_no_write(
    server: Server, pair: tuple[Connection, Connection]
) -> None:
    first, second = pair
    put = {"type": "transformation", "checksum": checksum(1), "value": checksum(2)}
    assert first.ask("PUT", **put) == "OK"
    os.kill(first.worker, signal.SIGKILL)
    assert second.ask("GET", type="transformation", checksum=checksum(1)) == checksum(2)
    wait_until(lambda: len(workers(server)) == 2 and first.worker not in workers(server))
    assert second.ask("PUT", **{**put, "checksum": checksum(3)}) == "OK"
    code, err = server.stop()
    assert code == 0
    assert "of 2 was ended by signal 9; it is started again\n" in err


def test_a_worker_that_crashes_repeatedly_stops_the_server() -> None:
    done = program(
        """
        def work(worker):
            worker.notify("ready")
            if worker.status_slot.number:
                os.read(all_ready, 1)
                os._exit(3)
            signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
            signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
            while True:
                signal.pause()
        print(run(work))
        """
    )
    lines = done.stdout.splitlines()
    assert lines[0] == "ready"
    assert lines[1] == "worker 2 of 2 ended with status 3; it is started again"
    assert lines[2].startswith("worker 2 of 2 ended with status 3; it is started again in 0.01 s")
    assert lines[-2:] == [
        "worker 2 of 2 ended with status 3, 6 times in a row; the server ends",
        "False",
    ]
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("how", "error"),
    [
        ('worker.notify("the disk is on fire"); return 1', "the disk is on fire"),
        ("return 3", "worker 2 ended with status 3"),
        ("os.kill(os.getpid(), signal.SIGKILL)", "worker 2 was ended by signal 9"),
    ],
)
def test_a_worker_that_cannot_start_fails_the_start_of_the_server(how: str, error: str) -> None:
    done = program(
        f"""
        def work(worker):
            if worker.status_slot.number == 1:
                {how}
            worker.notify("ready")
            signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
            signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
            while True:
                signal.pause()
        try:
            run(work)
        except supervisor.WorkerStartError as error:
            print(error)
        """
    )
    assert (done.stdout, done.stderr) == (f"{error}\n", "")


def test_a_long_reason_why_a_worker_cannot_start_is_cut() -> None:
    done = program(
        """
        def work(worker):
            worker.notify("x" + 4000 * "\\u00e4")
            return 1
        try:
            run(work, count=1)
        except supervisor.WorkerStartError as error:
            print(ascii(str(error)[:3]), len(str(error)))
        """
    )
    # in UTF-8, 4000 bytes end within a character
    assert (done.stdout, done.stderr) == ("'x\\xe4\\xe4' 2001\n", "")


def test_a_failed_fork_is_retried_while_the_others_serve() -> None:
    done = program(
        """
        supervisor.MAX_BACKOFF = 0.01
        fork, asked = os.fork, []
        def refusing():
            asked.append(None)
            if len(asked) == 3:
                raise BlockingIOError(11, "no room")
            return fork()
        os.fork = refusing
        def work(worker):
            worker.notify("ready")
            if len(asked) == 2:
                os.read(all_ready, 1)
                return 3
            signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
            signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
            if len(asked) == 4:
                os.kill(os.getppid(), signal.SIGTERM)
            while True:
                signal.pause()
        print(run(work))
        """
    )
    assert done.stdout.splitlines() == [
        "ready",
        "worker 2 of 2 ended with status 3; it is started again",
        "a worker could not be started: [Errno 11] no room; it is tried again in 0.01 s",
        "True",
    ]
    assert done.stderr == ""


def test_a_worker_that_does_not_stop_is_killed() -> None:
    done = program(
        """
        supervisor.SHUTDOWN_GRACE = 0.3
        def work(worker):
            worker.notify("ready")
            while True:
                signal.pause()
        signal.signal(signal.SIGALRM, lambda *_: os.kill(os.getpid(), signal.SIGTERM))
        workers = Supervisor(1, [], work, report_error=print)
        print(workers.run([signal.SIGTERM], lambda: (print("ready"), signal.setitimer(0, 0.05))))
        """
    )
    assert done.stdout.splitlines() == [
        "ready",
        "worker 1 did not end in 0.3 s, and is killed",
        "False",
    ]


# the supervisor dies


def test_workers_do_not_outlive_the_supervisor(server: Server, file: Path) -> None:
    server.put("transformation", checksum=checksum(1), value=checksum(2))
    running = workers(server)
    server.process.kill()
    server.end()
    wait_until(lambda: not any(map(alive, running)))
    with Server(file, "--port", str(server.port)) as again:
        assert again.get("transformation", checksum=checksum(1)).text == checksum(2)
        assert again.stop() == (0, "")
    assert is_one_plain_file(file)


# options


def test_zero_workers_are_rejected(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kept = {n: signal.getsignal(n) for n in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}
    assert main([str(file), "--writable", "--workers", "0"]) == 2
    for number, handler in kept.items():
        signal.signal(number, handler)
    assert "--workers must be a number above 0" in capsys.readouterr().err


def test_several_workers_do_not_write_to_a_network_file_system(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seamless_database.storage.sqlite.database.is_network", lambda _path: True)
    writer_lock = FairWriterLock()
    with pytest.raises(FileError, match="only one process may write; leave out --workers"):
        Database(file, writable=True, writer_lock=writer_lock)
    writer_lock.close()


# the metrics


def metrics(server: Server) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """The metrics of any worker."""
    with urllib.request.urlopen(f"{server.url}/metrics", timeout=TIMEOUT) as response:
        families = list(text_string_to_metric_families(response.read().decode()))
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
    }


def requests(server: Server, method: str, kind: str) -> float:
    labels = frozenset({"method": method, "type": kind, "status": "200"}.items())
    return metrics(server).get(("seamless_database_requests_total", labels), 0)


def test_the_metrics_of_a_worker_include_those_of_the_others_and_of_killed_ones(
    server: Server, pair: tuple[Connection, Connection]
) -> None:
    first, second = pair
    for connection in (first, second, second):
        connection.ask("GET", type="protocol")
    put = {"type": "transformation", "checksum": checksum(1), "value": checksum(2)}
    assert first.ask("PUT", **put) == "OK"
    # each worker publishes its metrics about every second
    wait_until(lambda: requests(server, "GET", "protocol") == 3)
    wait_until(lambda: requests(server, "PUT", "transformation") == 1)
    os.kill(first.worker, signal.SIGKILL)
    wait_until(lambda: len(workers(server)) == 2 and first.worker not in workers(server))
    wait_until(lambda: requests(server, "GET", "protocol") == 3)
    assert metrics(server)["seamless_database_commit_writes_count", frozenset()] == 1
    assert requests(server, "PUT", "transformation") == 1


def test_process_metrics_have_the_worker_as_a_label(server: Server) -> None:
    def shown() -> set[str]:
        found = metrics(server)
        name = "process_resident_memory_bytes"
        return {dict(labels)["worker"] for this, labels in found if this == name}

    wait_until(lambda: shown() == {"1", "2"})
