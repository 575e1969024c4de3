"""Worker processes and supervisors that crash, hang, or fail to start."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from database_samples import checksum
from database_server import TIMEOUT, Server, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

from worker_processes import Connection, alive, connections_to_both, is_one_plain_file, workers

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


@pytest.fixture
def pair(server: Server) -> Iterator[tuple[Connection, Connection]]:
    """A connection to each of the two workers."""
    with connections_to_both(server) as pair:
        yield pair


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
        # output is buffered, as it is for a pipe by default
        env={**os.environ, "PYTHONUNBUFFERED": ""},
    )


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


def test_the_reason_why_a_worker_cannot_start_again_is_reported(server: Server, file: Path) -> None:
    file.rename(file.with_name("elsewhere.db"))
    file.mkdir()
    os.kill(workers(server)[0], signal.SIGKILL)
    assert server.process.stderr is not None
    lines = [server.process.stderr.readline() for _ in range(2)]
    assert "was ended by signal 9" in lines[0]
    assert "ended with status 1 (cannot use the database file" in lines[1]


def test_a_worker_that_crashes_repeatedly_stops_the_server() -> None:
    done = program(
        """
        supervisor.MAX_BACKOFF = 0.03
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
    assert lines[2:-2] == [
        f"worker 2 of 2 ended with status 3; it is started again in {delay} s"
        for delay in (0.01, 0.02, 0.03, 0.03)
    ]
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


def test_an_exception_in_a_worker_is_written_with_its_output() -> None:
    done = program(
        """
        def work(worker):
            print("from the worker")
            raise RuntimeError("a fault")
        try:
            run(work, count=1)
        except supervisor.WorkerStartError as error:
            print(error)
        """
    )
    assert done.stdout == "from the worker\nworker 1 ended with status 1\n"
    assert done.stderr.rstrip().endswith("RuntimeError: a fault")


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


def test_a_worker_that_starts_again_gets_no_connections_before_it_is_ready() -> None:
    done = program(
        """
        import select, socket
        listener = socket.create_server(("127.0.0.1", 0))
        listener.setblocking(False)
        address = listener.getsockname()
        starts, once = os.pipe()
        os.write(once, b"first")
        os.close(once)
        def work(worker):
            signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
            signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
            if worker.status_slot.number and not os.read(starts, 5):
                clients = [socket.create_connection(address, timeout=5) for _ in range(4)]
                for client in clients:
                    os.write(1, client.recv(5))
                os.kill(os.getppid(), signal.SIGTERM)
                while True:
                    signal.pause()
            worker.notify("ready")
            if worker.status_slot.number:
                os.read(all_ready, 1)
                return 3
            while select.select([worker.fd_socket], [], []):
                for connection in worker.receive_connections():
                    connection.sendall(b"bytes")
                    connection.close()
        workers = Supervisor(2, [listener], work, report_error=print)
        print(workers.run([signal.SIGTERM], on_ready))
        """
    )
    served = 4 * "bytes"
    started = "ready\nworker 2 of 2 ended with status 3; it is started again\n"
    assert (done.stdout, done.stderr) == (f"{served}{started}True\n", "")


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
