"""The benchmark of the server: its generator counts right, and its smallest part runs."""

from __future__ import annotations

import contextlib
import socket
import sqlite3
import threading
import time
from itertools import repeat
from typing import TYPE_CHECKING

import pytest
from tools.bench.database import bulk_writes, generate_rows, response_parser, throughput, write_tail
from tools.bench.database.baselines import sqlite
from tools.bench.database.load import UnexpectedAnswerError, load, repeated
from tools.bench.database.requests import checksum, get, get_checksum, put_result, redis_command
from tools.bench.database.servers import Server, ServerError, running_bare, running_ours
from tools.bench.database.workloads import WORKLOADS, Amount
from tools.bench.free_table import Figure, FreeTable
from tools.bench.settings import Plan

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nabc"


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running_ours(tmp_path_factory.mktemp("ours") / "seamless.db") as server:
        yield server


def test_every_request_is_sent_once_and_its_answer_counted(ours: Server) -> None:
    sent = load(ours.port, iter([put_result(n) for n in range(200)]), 7)
    assert (len(sent.latencies), sent.statuses) == (200, {200: 200})
    found = load(ours.port, repeated([get("transformation", n) for n in range(250)], 500), 7)
    assert found.statuses == {200: 400, 404: 100}
    assert all(latency > 0 for latency in found.latencies)


def test_more_connections_than_requests_are_no_trouble(ours: Server) -> None:
    assert load(ours.port, repeated([get("transformation", 10**6)], 3), 20).statuses == {404: 3}


def test_a_load_ends_when_its_time_is_up(ours: Server) -> None:
    result = load(ours.port, repeat(get("transformation", 10**6)), 2, seconds=0.05)
    assert set(result.statuses) == {404}


def test_an_answer_of_another_status_spoils_the_figure(ours: Server) -> None:
    result = load(ours.port, repeated([get("transformation", 10**6)], 3), 1)
    with pytest.raises(UnexpectedAnswerError, match="404"):
        result.all_answered(200)


@contextlib.contextmanager
def answering(*pieces: bytes) -> Iterator[int]:
    """Answer one request, piece by piece."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            stream, _ = listener.accept()
            with stream:
                stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                stream.recv(4096)
                for piece in pieces:
                    stream.sendall(piece)
                    time.sleep(0.02)

        thread = threading.Thread(target=answer)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            thread.join()


@pytest.mark.parametrize("at", [1, len(OK) - 4, len(OK) - 1])
def test_an_answer_that_comes_in_pieces_is_one(at: int) -> None:
    with answering(OK[:at], OK[at:]) as port:
        assert load(port, iter([b"?"]), 1).statuses == {200: 1}


def test_two_answers_to_one_request_spoil_the_figure() -> None:
    with answering(OK + OK) as port, pytest.raises(UnexpectedAnswerError, match="more than one"):
        load(port, iter([b"?"]), 1)


def test_a_server_that_hangs_up_ends_the_load() -> None:
    with answering(OK[:-1]) as port, pytest.raises(ConnectionError, match="closed the connection"):
        load(port, iter([b"?"]), 1)


def test_a_server_that_does_not_start_says_why(tmp_path: Path) -> None:
    with (
        pytest.raises(ServerError, match="no-such-option"),
        running_ours(tmp_path, "--no-such-option"),
    ):
        pass


def test_a_server_has_ended_after_its_block() -> None:
    with running_bare() as server:
        assert server.memory().resident > 0
    with pytest.raises(FileNotFoundError):
        server.memory()


@pytest.mark.parametrize("size", range(len(OK) + 1))
def test_an_http_answer_is_complete_with_its_last_byte(size: int) -> None:
    frame = response_parser.http(OK[:size])
    assert frame == ((200, len(OK)) if size >= len(OK) - 3 else None)


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (b"$3\r\nabc\r\n", response_parser.OK),
        (b"$-1\r\n", response_parser.MISSING),
        (b"+OK\r\n", response_parser.OK),
        (b"-ERR no\r\n", response_parser.FAILED),
    ],
)
def test_an_answer_of_redis_is_framed(answer: bytes, status: int) -> None:
    assert response_parser.redis(answer) == (status, len(answer))
    assert response_parser.redis(answer[:2]) is None


def test_a_command_of_redis_is_a_list_of_texts_with_lengths() -> None:
    assert redis_command("GET", "abcd") == b"*2\r\n$3\r\nGET\r\n$4\r\nabcd\r\n"


def test_a_load_is_shared_by_several_ports(ours: Server) -> None:
    with running_bare() as bare:
        result = load([ours.port, bare.port], repeated([get("transformation", 10**6)], 40), 2)
    assert set(result.statuses) == {200, 404}


@pytest.mark.parametrize("at_once", [1, 7])
def test_every_row_of_raw_writes_can_be_looked_up(tmp_path: Path, at_once: int) -> None:
    file = tmp_path / "raw.db"
    sqlite.make_file(file)
    with sqlite.opened(file) as raw:
        assert raw.writes(range(20), at_once) > 0
        assert raw.look_ups([checksum(number) for number in range(20)]) > 0
        with pytest.raises(AssertionError):
            raw.look_ups([checksum(20)])


def test_raw_results_have_their_reverse_rows(tmp_path: Path) -> None:
    file = tmp_path / "raw.db"
    sqlite.make_file(file)
    with sqlite.opened(file) as raw:
        assert raw.results(range(20), 7) > 0
    with contextlib.closing(sqlite3.connect(file)) as connection:
        pairs = "SELECT checksum, result FROM {} ORDER BY checksum"
        results, reverse = (
            connection.execute(pairs.format(table)).fetchall()
            for table in ("transformation", "rev_transformation")
        )
    assert len(results) == 20
    assert results == reverse


def test_bulk_writes_are_measured_beside_single_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk_writes, "AT_ONCE", 5)
    monkeypatch.setattr(bulk_writes, "SINGLES", 10)
    (sheet,) = bulk_writes.run(Plan(rounds=1, quick=True, published=False), ("SQLite",))
    assert [name.partition(",")[0] for name, _ in sheet.lines] == [
        *("transformations", "transformations", "metadatas", "buffer_infos")
    ]
    for name, cells in sheet.lines:
        figures = cells if name.startswith("transformations") else [cells[0], cells[-1]]
        assert all(isinstance(cell, Figure) and cell.value > 0 for cell in figures), name


def test_a_large_file_is_filled_as_the_server_would(tmp_path: Path) -> None:
    file = tmp_path / "rows.db"
    generate_rows.fill(file, 300)
    with running_ours(file) as server:
        keys = generate_rows.chosen_keys(300, 50, 0)
        found = load(server.port, iter([get_checksum("transformation", key) for key in keys]), 3)
    assert found.statuses == {200: 50}
    with contextlib.closing(sqlite3.connect(file)) as connection:
        names = {name for name, _ in connection.execute(generate_rows.INDEXES)}
        assert names == {"transformation_result"}
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_the_requests_are_measured_on_ours_beside_the_limits() -> None:
    plan = Plan(rounds=1, quick=True, published=False)
    rates, costs = throughput.run(plan, Amount(keys=20, reads=40, writes=30))
    for sheet in (rates, costs):
        assert [name for name, _ in sheet.lines] == list(WORKLOADS)
    for name, cells in rates.lines:
        ours, published, *limits = cells[:4]
        assert published is None, name
        assert all(isinstance(cell, Figure) and cell.value > 0 for cell in (ours, *limits)), name


def test_the_slowest_writes_are_measured_alone_and_beside_readers() -> None:
    (sheet,) = write_tail.run(Plan(rounds=1, quick=True, published=False, seconds=0.3), 2_000)
    assert [name for name, _ in sheet.lines] == [
        f"{rows} rows{more}" for rows in ("1,000", "2,000") for more in ("", ", beside 30 readers")
    ]
    for name, cells in sheet.lines:
        assert cells[4:] == [None] * 3, name
        assert all(isinstance(cell, Figure) and cell.value > 0 for cell in cells[:4]), name


def test_a_star_is_before_what_misses_its_bound() -> None:
    sheet = FreeTable("Rates", ["workload", "ours", "published"], notes=["A note."])
    sheet.add("fast", Figure(1234.4, "/s", at_least=1000), None)
    sheet.add("slow", Figure(999.0, "/s", at_least=1000), "not installed")
    assert sheet.markdown().splitlines() == [
        "### Rates",
        "",
        "| workload | ours | published |",
        "|---|---:|---:|",
        "| fast | 1,234 (≥ 1000) | – |",
        "| * slow | 999 (≥ 1000) | not installed |",
        "",
        "A note.",
    ]
    assert sheet.as_json()["lines"] == [
        {
            "workload": "fast",
            "ours": {"value": 1234.4, "unit": "/s", "at_least": 1000},
            "published": None,
        },
        {
            "workload": "slow",
            "ours": {"value": 999.0, "unit": "/s", "at_least": 1000},
            "published": "not installed",
        },
    ]


def test_figures_of_the_same_name_are_compared_without_baselines_and_ratios() -> None:
    sheet = FreeTable("Rates", ["workload", "ours, time", "published, time", "raw SQLite", "of it"])
    sheet.add("GET", Figure(1.0, "ms"), Figure(2.0, "ms"), Figure(3.0, "/s"), Figure(4.0, "%"))
    assert list(sheet.samples()) == [
        ("GET, time", "ours", "ms", 1.0),
        ("GET, time", "published", "ms", 2.0),
    ]
    sheet = FreeTable("Rates", ["workload", "PostgreSQL", "raw pipeline"])
    sheet.add("published, GET", Figure(1.0, "/s"), Figure(3.0, "/s"))
    assert list(sheet.samples()) == [("GET, PostgreSQL", "published", "/s", 1.0)]
    sheet.lines = [("GET", sheet.lines[0][1])]
    assert list(sheet.samples()) == [("GET, PostgreSQL", "ours", "/s", 1.0)]
