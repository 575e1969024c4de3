"""Writing to pipes that are not read: it delays no caller, in a process or in a real server."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from database_server import TIMEOUT, full_pipe, wait_until

from seamless_database.http.line_writer import (
    LineStream,
    LineWriter,
    descriptor_of,
    write_line,
)

if TYPE_CHECKING:
    from pathlib import Path

#: the command, whose metrics fail so that each scrape logs an error
FAILING = """
import sys
from seamless_database.cli.main import main
from seamless_database.metrics.collect import Metrics

async def render(self):
    raise TypeError("x" * 10_000)

Metrics.render = render
sys.exit(main())
"""


def test_text_is_written_in_order(tmp_path: Path) -> None:
    with (tmp_path / "log").open("wb") as file, LineWriter(file.fileno()) as writer:
        stream = LineStream(writer)
        assert stream.writable()
        for number in range(100):
            assert stream.write(f"{number} \ud800\n") == len(f"{number} \ud800\n")
    written = (tmp_path / "log").read_text()
    assert written == "".join(f"{number} \\ud800\n" for number in range(100))


def test_a_full_pipe_blocks_no_caller() -> None:
    with full_pipe() as (reader, descriptor):
        writer = LineWriter(descriptor, max_queued=10)
        stream = LineStream(writer)
        stream.write("being written\n")
        wait_until(lambda: writer.queued == 0)
        threads = [threading.Thread(target=stream.write, args=("line\n",)) for _ in range(30)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(TIMEOUT)
        assert writer.queued == 10
        # gives up on the queue
        writer.close()
        # the pipe may be empty before the thread has taken the last item
        os.set_blocking(reader, False)

        def is_written() -> bool:
            with suppress(BlockingIOError):
                os.read(reader, 65536)
            return writer.queued == 0

        wait_until(is_written)


def test_the_line_after_dropped_ones_gets_their_number() -> None:
    with full_pipe() as (reader, descriptor):
        writer = LineWriter(descriptor, max_queued=1)
        made: list[int] = []

        def make_line(dropped: int) -> bytes:
            made.append(dropped)
            return b"."

        writer.put(make_line)
        wait_until(lambda: writer.queued == 0)
        for _ in range(6):
            writer.put(make_line)
        os.read(reader, 65536)
        wait_until(lambda: writer.queued == 0)
        writer.put(make_line)
        writer.close()
        assert made == [0, 0, 5]


def test_a_closed_pipe_is_no_error() -> None:
    reader, descriptor = os.pipe()
    os.close(reader)
    with LineWriter(descriptor) as writer:
        LineStream(writer).write("one")
        LineStream(writer).write("two")
    os.close(descriptor)
    assert writer.queued == 0


def test_a_stream_without_descriptor_is_written_directly(
    capsys: pytest.CaptureFixture[str],
) -> None:
    stream = io.StringIO()
    assert descriptor_of(stream) is None
    write_line(stream, "text")
    write_line(None, "nowhere")
    assert stream.getvalue() == "text\n"
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize("level", ["error", "info"])
def test_unread_output_delays_neither_requests_nor_the_shutdown(
    tmp_path: Path, workers: str, level: str
) -> None:
    status = tmp_path / "status.json"
    status.write_text("{}")
    words = [sys.executable, "-c", FAILING, str(tmp_path / "seamless.db"), "--writable"]
    words += ["--workers", workers, "--host", "127.0.0.1", "--log-level", level]
    words += ["--status-file", str(status)]
    with full_pipe() as (_, pipe), subprocess.Popen(words, stdout=pipe, stderr=pipe) as server:
        try:
            wait_until(lambda: "running" in status.read_text())
            url = f"http://127.0.0.1:{json.loads(status.read_text())['port']}"
            for _ in range(20):
                with pytest.raises(urllib.error.HTTPError, match="500"):
                    urllib.request.urlopen(f"{url}/metrics", timeout=TIMEOUT)
            with urllib.request.urlopen(f"{url}/healthcheck", timeout=TIMEOUT) as response:
                assert response.read() == b"OK"
            if workers == "2":
                (first, *_) = children(server.pid)
                os.kill(first, signal.SIGKILL)
                # the supervisor reports it, and starts another one
                wait_until(lambda: len(set(children(server.pid)) - {first}) == 2)
            server.terminate()
            assert server.wait(TIMEOUT) == 0
        finally:
            server.kill()


def children(pid: int) -> list[int]:
    with open(f"/proc/{pid}/task/{pid}/children") as file:
        return [int(word) for word in file.read().split()]
