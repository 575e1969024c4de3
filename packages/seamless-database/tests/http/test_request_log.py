from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest
from database_server import TIMEOUT, Server

from seamless_database.http.line_writer import LineWriter
from seamless_database.http.request_log import (
    MAX_SHOWN,
    AccessLog,
    Client,
    Entry,
    RequestContext,
    RequestRecorder,
)

if TYPE_CHECKING:
    from pathlib import Path


TOKEN = "t" * 20


def entry(path: str = "/") -> Entry:
    return Entry("127.0.0.1:5", "GET", path, "protocol", 200, 30, 0.0012345, 1.5)


def test_an_entry_is_one_line_of_json() -> None:
    line = entry().line(0)
    assert line.endswith("}\n")
    assert json.loads(line) == {
        "time": "1970-01-01T00:00:01.500+00:00",
        "client": "127.0.0.1:5",
        "method": "GET",
        "path": "/",
        "type": "protocol",
        "status": 200,
        "bytes": 30,
        "ms": 1.234,
    }


@pytest.mark.parametrize("path", ['/"\n{"status": 200}', "/\x1b[31m", "/é", "/\ud800"])
def test_a_path_cannot_forge_a_line(path: str) -> None:
    line = entry(path).line(0)
    assert line.count("\n") == 1
    assert line.isascii()
    assert line.rstrip("\n").isprintable()
    assert json.loads(line)["path"] == path


def test_a_long_path_is_cut() -> None:
    assert len(json.loads(entry("/" * 10_000).line(0))["path"]) == MAX_SHOWN


def test_entries_are_written_in_order(tmp_path: Path) -> None:
    with (tmp_path / "log").open("wb") as file, LineWriter(file.fileno()) as writer:
        log = AccessLog(writer)
        for i in range(100):
            log.add(entry(f"/{i}"))
    lines = (tmp_path / "log").read_text().splitlines()
    assert [json.loads(line)["path"] for line in lines] == [f"/{i}" for i in range(100)]


def test_the_number_of_dropped_lines_is_logged() -> None:
    reader, descriptor = os.pipe()
    writer = LineWriter(descriptor, max_queued=10)
    log = AccessLog(writer)
    # more than a pipe holds, faster than they can be written
    for _ in range(20_000):
        log.add(entry("/" * MAX_SHOWN))
    with open(reader, "rb") as file:
        while writer.queued:
            file.readline()
        log.add(entry("/last"))
        line: dict[str, object] = {}
        while line.get("path") != "/last":
            line = json.loads(file.readline())
        writer.close()
    os.close(descriptor)
    dropped = line["dropped"]
    assert isinstance(dropped, int)
    assert 0 < dropped < 20_000


# over the wire


def test_there_is_no_access_log_by_default(tmp_path: Path) -> None:
    with Server(tmp_path / "seamless.db") as server:
        server.get("protocol")
        server.get("nonsense")
        assert server.stop() == (0, "")


def test_log_level_info_logs_every_request(tmp_path: Path) -> None:
    tokens = tmp_path / "tokens"
    tokens.touch(mode=0o600)
    tokens.write_text(f"write {TOKEN}\n")
    options = ("--log-level", "info", "--token-file", str(tokens))
    with Server(tmp_path / "seamless.db", *options) as server:
        server.ask("GET", path="/healthcheck?x=1")
        server.ask("GET", {"type": "protocol"}, headers={"Authorization": f"Bearer {TOKEN}"})
        server.ask("PUT", {"type": "protocol"}, path=f"/{TOKEN[:4]}")
        code, text = server.stop()
    assert code == 0
    assert TOKEN not in text
    lines = [json.loads(line) for line in text.splitlines()]
    logged = [(line["method"], line["path"], line["type"], line["status"]) for line in lines]
    assert logged == [
        ("GET", "/healthcheck", "healthcheck", 200),
        ("GET", "/", "protocol", 200),
        ("PUT", f"/{TOKEN[:4]}", "unknown", 401),
    ]
    assert lines[1]["bytes"] == len('["seamless", "database", "2.1"]')
    assert lines[1]["client"].startswith("127.0.0.1:")


def test_an_unread_log_delays_neither_requests_nor_the_shutdown(tmp_path: Path) -> None:
    with Server(tmp_path / "seamless.db", "--log-level", "info") as server:
        for _ in range(1000):
            assert server.ask("GET", path="/healthcheck/" + "x" * 300).status == 400
        server.process.terminate()
        assert server.process.wait(TIMEOUT) == 0


def test_a_request_is_counted_by_method_type_and_status() -> None:
    recorder = RequestRecorder(None)
    context = RequestContext("GET", "/", None, "protocol")
    recorder.record(context, 200, 30)
    recorder.record(context, 200, 30)
    ((labels, durations),) = recorder.requests.items()
    assert (labels.method, labels.type, labels.status) == ("GET", "protocol", 200)
    assert durations.count == 2


@pytest.mark.parametrize(("client", "shown"), [(("::1", 5), "::1:5"), (None, "")])
def test_a_request_is_logged(tmp_path: Path, client: Client, shown: str) -> None:
    with (tmp_path / "log").open("wb") as file, LineWriter(file.fileno()) as writer:
        RequestRecorder(AccessLog(writer)).record(RequestContext("PUT", "/x", client), 499, 0)
    entry = json.loads((tmp_path / "log").read_text())
    assert (entry["client"], entry["method"], entry["path"]) == (shown, "PUT", "/x")
    assert (entry["type"], entry["status"], entry["bytes"]) == ("unknown", 499, 0)
