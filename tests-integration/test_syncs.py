"""An acknowledgement never precedes the sync of what it acknowledges."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import slow_sync
from database_samples import checksum
from database_server import Server

if TYPE_CHECKING:
    from collections.abc import Callable

SCRIPT = Path(slow_sync.__file__)
CALLS = "fsync,fdatasync,pwrite64,read,recvfrom,recvmsg,write,writev,sendto,sendmsg"
CLIENTS, EACH = 8, 10


class SlowServer(Server):
    """A server that syncs slowly, and notes when."""

    def __init__(self, file: Path, *options: str) -> None:
        self.log = file.with_suffix(".log")
        self.command = (sys.executable, str(SCRIPT), str(self.log))
        super().__init__(file, *options)

    def __enter__(self) -> SlowServer:
        return self

    def syncs(self) -> list[float]:
        return [float(line) for line in self.log.read_text().splitlines()]


def put(server: Server, number: object) -> tuple[float, float]:
    """Write something; returns when it was asked and when acknowledged."""
    asked = time.monotonic()
    answer = server.put("transformation", checksum=checksum(number), value=checksum((number,)))
    assert answer.status == 200
    return asked, time.monotonic()


@pytest.fixture
def slow() -> None:
    try:
        slow_sync.library()
    except OSError as error:
        pytest.skip(f"SQLite cannot be slowed down here, strace alone must do: {error}")


@pytest.mark.usefixtures("slow")
def test_answers_wait_for_slow_syncs(tmp_path: Path, note: Callable[[str], None]) -> None:
    with SlowServer(tmp_path / "seamless.db") as server, ThreadPoolExecutor(4) as pool:
        spans = list(pool.map(lambda n: put(server, n), range(16)))
        syncs = server.syncs()
        assert server.stop() == (0, "")
    for asked, acknowledged in spans:
        assert any(asked < sync < acknowledged for sync in syncs)
    note(f"{len(spans)} acknowledgements, each after one of {len(syncs)} syncs")


@pytest.mark.usefixtures("slow")
def test_relaxed_answers_do_not_wait(tmp_path: Path) -> None:
    # without this, the test above might look at something that is always so
    with SlowServer(tmp_path / "seamless.db", "--durability", "relaxed") as server:
        spans = [put(server, number) for number in range(5)]
        syncs = server.syncs()
    assert not all(any(a < sync < b for sync in syncs) for a, b in spans)


@pytest.mark.skipif(
    shutil.which("strace") is None, reason="there is no strace; slow syncs stand in for it"
)
def test_the_system_calls_come_in_order(tmp_path: Path, note: Callable[[str], None]) -> None:
    log = tmp_path / "strace.log"
    with Server(tmp_path / "seamless.db") as server:
        put(server, "so that the journal is there")
        words = ["strace", "-f", "-yy", "-s", "24", "-e", f"trace={CALLS}", "-o", str(log)]
        tracer = subprocess.Popen(
            [*words, "-p", str(server.process.pid)], stderr=subprocess.PIPE, text=True
        )
        assert tracer.stderr is not None
        reported = tracer.stderr.readline()
        if "attached" not in reported:
            tracer.communicate()
            pytest.skip(f"strace may not look at processes here: {reported}; slow syncs stand in")
        with ThreadPoolExecutor(CLIENTS) as pool:
            for _ in pool.map(lambda n: put(server, n), range(CLIENTS * EACH)):
                pass
        tracer.send_signal(signal.SIGINT)
        tracer.communicate()
        assert server.stop() == (0, "")
    count, syncs = follow(log.read_text())
    assert count >= CLIENTS * EACH
    note(f"{count} acknowledgements, each after its write and one of {syncs} syncs, in strace")


def follow(log: str) -> tuple[int, int]:
    """Check each acknowledgement against the journal's writes and syncs before it."""
    started: dict[str, tuple[int, str]] = {}
    arrived: dict[str, int] = {}
    writes: list[int] = []
    syncs: list[tuple[int, int]] = []
    acknowledged = 0
    for number, line in enumerate(log.splitlines()):
        thread, _, call = line.partition(" ")
        begun, text = number, call.strip()
        if text.endswith("<unfinished ...>"):
            started[thread] = (number, text)
        elif " resumed>" in text:
            begun, first = started.pop(thread, (number, ""))
            text = first + text
        name, _, rest = text.partition("(")
        channel = re.match(r"\d+<[^>]*(?:>[^>]*)?>", rest)
        where = channel[0] if channel else rest
        if '"PUT / HTTP' in text:
            arrived[where] = number
        elif "-wal>" in where and name == "pwrite64":
            writes.append(begun)
        elif "-wal>" in where and name.endswith("sync") and text.endswith("= 0"):
            syncs.append((begun, number))
        elif '"HTTP/1.1 200' in text and where in arrived:
            since = arrived.pop(where)
            assert any(
                since < write < start and end <= begun
                for start, end in syncs
                for write in writes[-2000:]
            ), f"line {number}: acknowledged before it was synced"
            acknowledged += 1
    return acknowledged, len(syncs)


def test_the_log_of_a_server_that_does_not_sync_is_found_out() -> None:
    lines = [
        '1 read(7<TCP:[a]>, "PUT / HTTP/1.1", 99) = 99',
        '2 pwrite64(5</x/seamless.db-wal>, "", 24, 0) = 24',
        '1 write(7<TCP:[a]>, "HTTP/1.1 200 OK", 99) = 99',
        "2 fdatasync(5</x/seamless.db-wal>) = 0",
    ]
    with pytest.raises(AssertionError, match="line 2: acknowledged before it was synced"):
        follow("\n".join(lines))
    lines.insert(2, lines.pop())
    assert follow("\n".join(lines)) == (1, 1)
