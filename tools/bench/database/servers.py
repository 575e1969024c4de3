"""The servers that are measured: started on a free port of this machine, ended with the block."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tools.bench.database.load import HOST
from tools.bench.database.process_stats import Memory, core_seconds, family, memory
from tools.bench.environments import ROOT, ours, published

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tools.bench.settings import Plan

    Command = Sequence[str | Path]
    #: starts a server on a file or URL, until its block ends
    Start = Callable[[str | Path], contextlib.AbstractContextManager["Server"]]

#: beside the environments, so on the disk of the checkout: in /tmp, syncs may cost nothing
SCRATCH = ROOT / ".dev"
TIMEOUT = 60.0  # seconds until a server is there, and until it is gone
HEALTHCHECK = b"GET /healthcheck HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n"


class ServerError(Exception):
    """A server that was to be measured did not start."""


@dataclass(frozen=True)
class Server:
    """One that runs; its processes are looked up when it has started."""

    port: int
    pid: int
    #: seconds from its start to its first answer
    ready_after: float
    pids: list[int] = field(default_factory=list)

    def core_seconds(self) -> tuple[float, float]:
        """Seconds so far on a core, and waiting for one."""
        return core_seconds(self.pids)

    def memory(self) -> Memory:
        """Memory that it has now."""
        return memory(self.pids)


def healthy(port: int) -> bool:
    """Whether a server answers that it is well."""
    try:
        with socket.create_connection((HOST, port), timeout=5) as stream:
            stream.sendall(HEALTHCHECK)
            return b" 200 " in stream.recv(4096).partition(b"\r\n")[0]
    except OSError:
        return False


def listening(port: int) -> bool:
    """Whether anything takes connections; for servers without a healthcheck."""
    try:
        socket.create_connection((HOST, port), timeout=5).close()
    except OSError:
        return False
    return True


def free_port() -> int:
    """Return a port that is free."""
    with socket.create_server((HOST, 0)) as probe:
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    """Give an empty folder for a while."""
    SCRATCH.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bench-", dir=SCRATCH) as folder:
        yield Path(folder)


@contextlib.contextmanager
def running(
    command: Command, port: int, ready: Callable[[int], bool] = healthy
) -> Iterator[Server]:
    """Run a server until the block ends."""
    with tempfile.TemporaryFile() as said:
        start = time.perf_counter()
        with subprocess.Popen(
            list(map(str, command)), stdout=said, stderr=said, cwd=ROOT
        ) as process:
            try:
                while not ready(port):
                    if process.poll() is not None or time.perf_counter() - start > TIMEOUT:
                        said.seek(0)
                        raise ServerError(f"{command[0]}: {said.read()[-2000:].decode()}")
                    time.sleep(0.002)
                seconds = time.perf_counter() - start
                yield Server(port, process.pid, seconds, family(process.pid))
            finally:
                process.terminate()
                try:
                    process.wait(TIMEOUT)
                except subprocess.TimeoutExpired:
                    process.kill()


def running_ours(file: str | Path, *options: str) -> contextlib.AbstractContextManager[Server]:
    """Run our server on a file or URL."""
    return _database(ours(), file, options)


def running_published(file: str | Path) -> contextlib.AbstractContextManager[Server]:
    """Run the published server on a file."""
    return _database(published(), file, ())


def sides_of(plan: Plan, *, published: bool = True) -> dict[str, Start]:
    """Return what starts each side; false for `published` if its server lacks what is measured.

    Another commit in its place is measured all the same.
    """
    both = plan.published and (published or plan.against)
    return {"ours": running_ours} | ({"published": running_published} if both else {})


def running_bare() -> contextlib.AbstractContextManager[Server]:
    """Run the bare application with nothing of uvicorn's that ours does without."""
    port = free_port()
    command = [
        sys.executable,
        "-m",
        "uvicorn",
        "tools.bench.database.baselines.app:app",
        "--host",
        HOST,
        "--port",
        str(port),
    ]
    command += ["--loop", "uvloop", "--http", "httptools", "--no-access-log"]
    return running([*command, "--no-proxy-headers", "--no-server-header"], port)


def _database(
    binaries: Path, file: str | Path, options: Sequence[str]
) -> contextlib.AbstractContextManager[Server]:
    port = free_port()
    command = [binaries / "seamless-database", file, "--writable", "--host", HOST]
    return running([*command, "--port", str(port), *options], port)
