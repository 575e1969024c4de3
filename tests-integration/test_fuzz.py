"""Thousands of malformed requests over raw sockets: never a 5xx, a hang, or a word in the log."""

from __future__ import annotations

import collections
import http.client
import json
import random
import re
import shutil
import socket
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from database_samples import checksum, record
from database_server import TIMEOUT, Server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TF, RESULT = checksum("tf"), checksum("result")
MEANING = {"celltype": "python", "subcelltype": ""}
#: well-formed requests, to be spoilt
REQUESTS: list[dict[str, Any]] = [
    {"type": "transformation", "checksum": TF, "value": RESULT},
    {"type": "metadata", "checksum": TF, "result": RESULT, "value": record(TF, RESULT)},
    {"type": "irreproducible", "checksum": TF, "result": RESULT},
    {"type": "buffer_info", "checksum": TF, "value": {"length": 5, "is_numpy": True}},
    {"type": "semantic_to_syntactic", "checksum": TF, **MEANING, "value": [RESULT]},
    {
        "type": "expression",
        "checksum": TF,
        "path": ["a", 0],
        "celltype": "mixed",
        "target_celltype": "plain",
        "value": RESULT,
    },
    {
        "type": "bucket_probe",
        "bucket_kind": "node",
        "label": "n",
        "bucket_checksum": TF,
        "captured_at": "t",
        "freshness_tokens": {},
    },
    {"type": "transformations", "value": {TF: RESULT, "x": RESULT, RESULT: None}},
    {"type": "buffer_infos", "value": {TF: {"length": 5}, RESULT: {"is_utf8": 1}}},
    {"type": "metadatas", "value": {TF: {"result": RESULT, "value": record(TF, RESULT)}}},
    {"type": "rev_transformations", "checksum": RESULT},
    {"type": "protocol"},
]
VALUES: list[Any] = [
    *(None, True, False, 0, -1, 1.5, 1e300, 2**80, "", "x", "é", "\x00", "\ud800", "x" * 3000),
    *([], [None], [[]], {}, {"a": None}, {"type": "x"}, TF, TF[:-1], TF + "0", TF.upper(), [TF]),
]
TEXTS = [b"NaN", b"Infinity", b"1e999", b"9" * 5000, b"[" * 5000, b'{"a":' * 300, b"\xff", b"\x00"]
METHODS = [b"GET", b"PUT", b"HEAD", b"POST", b"OPTIONS", b"get", b"", b"PUT " * 9, b"\x16\x03\x01"]
PATHS = [b"/", b"/healthcheck", b"*", b"", b"//", b"/%ff", b"/\xff", b"http://[", b"/openapi.json"]
VERSIONS = [b"HTTP/1.1", b"HTTP/1.0", b"HTTP/2.0", b"HTTP/9.9", b"", b"XTTP/1.1"]
HEADERS = [
    *(b"Content-Length: -1", b"Content-Length: x", b"Content-Length: 99999999999999999999"),
    *(b"Content-Length: 3", b"Content-Length: 5, 5", b"Transfer-Encoding: chunked"),
    *(b"Transfer-Encoding: gzip", b"Expect: 100-continue", b"Upgrade: websocket"),
    *(b"Connection: Upgrade", b"Connection: close", b": x", b"X", b" folded: x", b"X\x00: x"),
    *(b"X: " + b"y" * 5000, b"Host: a\r\nHost: b", b"Content-Type: \xff", b"Upgrade: h2c"),
]
#: follows everything, so that what is understood ends the connection
LAST = b"\r\n\r\nGET /healthcheck HTTP/1.1\r\nConnection: close\r\n\r\n"


class Spoiler:
    """Makes requests that have something wrong with them, as a rule."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def connection(self) -> bytes:
        """What is sent over one connection: some requests, then the end."""
        pick = self._random.choice([self.body_fault, self.body_fault, self.framing_fault])
        return b"".join(pick() for _ in range(self._random.randint(1, 4)))

    def body_fault(self) -> bytes:
        method = self._random.choice([b"GET", b"PUT"])
        return _framed(method + b" / HTTP/1.1\r\nHost: x\r\n", self._body())

    def framing_fault(self) -> bytes:
        choose = self._random.choice
        line = b" ".join(
            (choose(METHODS[:2] * 4 + METHODS), choose(PATHS), choose(VERSIONS[:1] * 8 + VERSIONS))
        )
        heads = b"".join(choose(HEADERS) + b"\r\n" for _ in range(self._random.randint(0, 3)))
        whole = _framed(line + b"\r\n" + heads, self._body())
        fault = self._random.randrange(4)
        if fault == 0:
            whole = whole[: self._random.randrange(len(whole))]
        elif fault == 1:
            at = self._random.randrange(len(whole))
            whole = whole[:at] + self._random.randbytes(self._random.randint(1, 9)) + whole[at:]
        elif fault == 2:
            whole = whole.replace(b"\r\n", choose([b"\n", b"\r", b"\r\n\r\n"]), 1)
        return whole

    def _body(self) -> bytes:
        request = dict(self._random.choice(REQUESTS))
        for _ in range(self._random.randint(0, 2)):
            name = self._random.choice([*request, "other"])
            if self._random.random() < 0.2:
                request.pop(name, None)
            else:
                request[name] = self._random.choice(VALUES)
        body = json.dumps(request).encode()
        if self._random.random() < 0.3:
            at = self._random.randrange(len(body))
            body = body[:at] + self._random.choice(TEXTS) + body[at + self._random.randint(0, 9) :]
        return body


def _framed(head: bytes, body: bytes) -> bytes:
    return b"%bContent-Length: %d\r\n\r\n%b" % (head, len(body), body)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with Server(tmp_path / "seamless.db", "--receive-timeout", "5") as server:
        yield server


def statuses(server: Server, content: bytes) -> list[int]:
    """Send something, and nothing more; read every answer there is."""
    with socket.create_connection((server.host, server.port), timeout=TIMEOUT) as client:
        answers = bytearray()
        try:
            client.sendall(
                content + b"\r\n\r\nGET /healthcheck HTTP/1.1\r\nConnection: close\r\n\r\n"
            )
            client.settimeout(0.3)
            while chunk := client.recv(65536):
                answers += chunk
        except TimeoutError:
            # it waits for the rest of a request, which never comes
            pass
        except OSError:
            # the server has closed the connection during the request
            pass
    return _read(bytes(answers))


def _read(answers: bytes) -> list[int]:
    found = []
    while answers.startswith(b"HTTP/1.1 "):
        head, _, rest = answers.partition(b"\r\n\r\n")
        status = int(head[9:12])
        found.append(status)
        length = 0
        for line in head.lower().split(b"\r\n"):
            if line.startswith(b"content-length:"):
                length = int(line.partition(b":")[2])
        if status >= 400 and rest:
            assert rest.startswith((b"ERROR: ", b"HTTP/1.1 ")), rest[:100]
        answers = rest if rest.startswith(b"HTTP/1.1 ") else rest[length:]
    assert not answers, answers[:100]
    return found


@pytest.mark.stress
def test_whatever_is_sent_is_answered_4xx_or_hung_up_on(
    server: Server,
    tmp_path: Path,
    request: pytest.FixtureRequest,
    note: Callable[[str], None],
) -> None:
    count = request.config.getoption("--fuzz-requests")
    seed = random.randrange(2**32)
    spoiler = Spoiler(seed)
    seen: collections.Counter[int] = collections.Counter()
    sent = 0
    while sent < count:
        content = spoiler.connection()
        sent += max(1, content.count(b"HTTP/"))
        found = statuses(server, content)
        seen.update(found)
        assert not any(status >= 500 for status in found), (seed, content, found)
    assert server.ask("GET", path="/healthcheck").text == "OK"
    assert server.stop() == (0, ""), f"seed {seed}"
    with closing(sqlite3.connect(tmp_path / "seamless.db")) as raw:
        for table in ("transformation", "rev_transformation", "meta_data"):
            odd = f"SELECT * FROM {table} WHERE checksum NOT GLOB ? OR length(checksum) != 64"
            assert raw.execute(odd, ("[0-9a-f]*",)).fetchall() == []
    reported = ", ".join(f"{status}: {times}" for status, times in sorted(seen.items()))
    note(f"{sent} requests, answered {reported}")


@pytest.mark.stress
def test_large_requests_do_not_hold_up_the_healthcheck(
    server: Server, note: Callable[[str], None]
) -> None:
    numbers = ",".join(["[1,2]"] * 1_300_000)
    value = json.dumps(record(TF, RESULT, x=0)).replace('"x": 0', f'"x": [{numbers}]')
    put = f'{{"type": "metadata", "checksum": "{TF}", "result": "{RESULT}", "value": {value}}}'
    with socket.create_connection((server.host, server.port), timeout=TIMEOUT) as client:
        client.sendall(_framed(b"PUT / HTTP/1.1\r\nHost: x\r\n", put.encode()))
        client.settimeout(0.001)
        waits: list[float] = []
        while True:
            try:
                client.recv(1, socket.MSG_PEEK)
                break
            except TimeoutError:
                before = time.perf_counter()
                assert server.ask("GET", path="/healthcheck").text == "OK"
                waits.append(time.perf_counter() - before)
        client.settimeout(TIMEOUT)
        answer = http.client.HTTPResponse(client)
        answer.begin()
        assert (answer.status, answer.read()) == (200, b"OK")
    assert len(waits) > 10
    note(f"{len(put) >> 20} MiB; healthchecks meanwhile: {max(waits) * 1000:.0f} ms at most")


@pytest.mark.stress
def test_the_server_is_as_it_describes_itself(
    tmp_path: Path, server: Server, note: Callable[[str], None]
) -> None:
    command = Path(sys.executable).with_name("schemathesis")
    found = str(command) if command.exists() else shutil.which("schemathesis")
    assert found, "schemathesis is one of the test dependencies"
    done = subprocess.run(
        [
            found,
            *("run", f"{server.url}/openapi.json", "--max-examples", "60", "--seed", "1"),
            *("--phases", "examples,coverage,fuzzing", "--max-time", "25"),
            # what identifies a record, JSON schema cannot say; unknown fields are welcome; and a
            # PUT to the healthcheck is a request like any other
            "--exclude-checks",
            (
                "positive_data_acceptance,negative_data_rejection,"
                "unsupported_method,allow_header_conformance"
            ),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert server.stop() == (0, "")
    generated = re.search(r"(\d+) generated", done.stdout)
    note(f"{generated[1] if generated else 'no'} requests by schemathesis")
