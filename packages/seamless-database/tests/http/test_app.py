"""The protocol over HTTP: verbs, paths, statuses, and the one shape of every error."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from database_samples import checksum, record
from database_server import TIMEOUT, Response, Server

from seamless_database import Database, request_types
from seamless_database.protocol.request import MAX_ENTRIES

TF, ONE, TWO = checksum("tf"), checksum("one"), checksum("two")
KEY, KEYS = {"checksum": TF}, {"checksums": [TF]}
MEANING = {**KEY, "celltype": "python", "subcelltype": ""}
EXPRESSION = {**KEY, "path": [], "celltype": "mixed", "target_celltype": "plain"}
PROBE = {"bucket_kind": "node", "label": "n"}
#: a well-formed read request of each type
READS: dict[str, dict[str, Any]] = {
    "buffer_info": KEY,
    "buffer_infos": KEYS,
    "bucket_probe": PROBE,
    "claim": KEY,
    "expression": EXPRESSION,
    "irreproducible": KEY,
    "metadata": KEY,
    "protocol": {},
    "rev_expression": KEY,
    "rev_transformations": KEY,
    "semantic_to_syntactic": MEANING,
    "syntactic_to_semantic": MEANING,
    "transformation": KEY,
    "transformations": KEYS,
}
#: those that always have an answer: an object may be empty
NEVER_MISSED = {"buffer_infos", "protocol", "transformations"}
#: a well-formed write request of each type
WRITES: dict[str, dict[str, Any]] = {
    "buffer_info": {**KEY, "value": {"length": 1}},
    "buffer_infos": {"value": {TF: {"length": 1}}},
    "bucket_probe": {
        **PROBE,
        "bucket_checksum": ONE,
        "captured_at": "t",
        "freshness_tokens": {},
    },
    "claim": {**KEY, "holder": "h", "seconds": 1.0},
    "expression": {**EXPRESSION, "value": ONE},
    "irreproducible": {**KEY, "result": ONE},
    "metadata": {**KEY, "result": ONE, "value": record(TF, ONE)},
    "metadatas": {"value": {TF: {"result": ONE, "value": record(TF, ONE)}}},
    "semantic_to_syntactic": {**MEANING, "value": [ONE]},
    "transformation": {**KEY, "value": ONE},
    "transformations": {"value": {TF: ONE}},
}
#: bulk write -> the request that reads one of its entries
BULK = {
    "buffer_infos": "buffer_info",
    "metadatas": "metadata",
    "transformations": "transformation",
}
#: a whole number is right for a field with any number
NUMBERS: dict[type, type] = {int: float}
WRONG: list[object] = [None, True, 0, 1.5, "", "zz", "\ud800", [], [None], {}, {"a": 1}]


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server on which nothing is ever stored."""
    with Server(tmp_path_factory.mktemp("app") / "seamless.db") as server:
        yield server
        assert server.stop() == (0, "")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with Server(tmp_path / "seamless.db") as server:
        yield server
        assert server.stop() == (0, "")


def assert_error(response: Response, status: int) -> None:
    """Every error is one line of text that begins alike."""
    assert response.status == status
    assert response.headers["content-type"] == "text/plain; charset=utf-8"
    assert response.text.startswith("ERROR: ")


def test_the_samples_cover_every_request_type() -> None:
    assert set(READS) == set(request_types.READS)
    assert set(WRITES) == set(request_types.WRITES)


# verbs and paths


def test_the_protocol_version_is_reported(empty: Server) -> None:
    response = empty.get("protocol")
    assert response.json() == ["seamless", "database", "2.1"]
    assert response.headers["content-type"] == "text/plain; charset=utf-8"


@pytest.mark.parametrize(
    "path", ["/", "/x/y", "//", "/%20", "/a%0Ab", "/x?type=none", "/HEALTHCHECK"]
)
def test_any_path_is_accepted(empty: Server, path: str) -> None:
    assert empty.ask("GET", {"type": "protocol"}, path=path).status == 200


@pytest.mark.parametrize("body", [None, b"", b"nonsense", {"type": "transformation"}])
def test_the_healthcheck_ignores_query_and_body(empty: Server, body: object) -> None:
    assert empty.ask("GET", body, path="/healthcheck?x=1").text == "OK"


def test_the_healthcheck_supports_head(empty: Server) -> None:
    response = empty.ask("HEAD", path="/healthcheck")
    assert (response.status, response.text) == (200, "")


def test_putting_to_the_healthcheck_is_an_ordinary_put(server: Server) -> None:
    put = server.ask(
        "PUT", {"type": "transformation", **WRITES["transformation"]}, path="/healthcheck"
    )
    assert put.text == "OK"
    assert server.get("transformation", **KEY).text == ONE


@pytest.mark.parametrize("method", ["POST", "DELETE", "PATCH", "OPTIONS"])
def test_other_methods_are_answered_405_with_the_allowed_ones(empty: Server, method: str) -> None:
    response = empty.ask(method, {"type": "protocol"})
    assert_error(response, 405)
    assert response.headers["allow"] == "GET, HEAD, PUT"


@pytest.mark.parametrize("kind", ["text/plain", "application/json", "nonsense"])
def test_the_content_type_is_ignored(empty: Server, kind: str) -> None:
    response = empty.ask("GET", {"type": "protocol"}, headers={"Content-Type": kind})
    assert response.status == 200


# errors

BODIES = [
    None,
    b"",
    b" ",
    b"{",
    b"\x00",
    b"\xff\xfe\x00",
    b"[]",
    b"null",
    b"5",
    b'"x"',
    b'{"type": NaN}',
    b"[" * 100_000,
    b"9" * 5_000,
    {},
    {"type": None},
    {"type": 1},
    {"type": ["transformation"]},
    {"type": "nothing like that"},
    {"type": "Transformation", "checksum": TF},
]


@pytest.mark.parametrize("method", ["GET", "PUT"])
@pytest.mark.parametrize("body", BODIES)
def test_a_body_that_is_no_request_is_answered_400(
    empty: Server, method: str, body: object
) -> None:
    assert_error(empty.ask(method, body), 400)


@pytest.mark.parametrize("method", ["GET", "PUT"])
@pytest.mark.parametrize(
    ("start", "rest"),
    [(b"", b"x"), (b"", b"\xff"), (b"", b"["), (b"", b"9"), (b'{"type": "metadata"}', b" ")],
)
def test_a_large_body_is_rejected_with_the_message_of_a_small_one(
    empty: Server, method: str, start: bytes, rest: bytes
) -> None:
    large = empty.ask(method, start + rest * 400_000)
    assert_error(large, 400)
    assert large.text == empty.ask(method, start + rest * 8_000).text


@pytest.mark.parametrize("kind", sorted(set(READS) - NEVER_MISSED))
def test_a_miss_is_answered_404(empty: Server, kind: str) -> None:
    response = empty.get(kind, **READS[kind])
    assert (response.status, response.text) == (404, "ERROR: Unknown key")


@pytest.mark.parametrize("kind", ["buffer_infos", "transformations"])
def test_a_list_of_misses_is_an_empty_object(empty: Server, kind: str) -> None:
    assert empty.get(kind, **KEYS).json() == {}


@pytest.mark.parametrize("kind", sorted(set(READS) - set(WRITES)))
def test_a_read_only_type_cannot_be_put(empty: Server, kind: str) -> None:
    assert_error(empty.put(kind, **READS[kind], value=[]), 400)


@pytest.mark.parametrize(
    ("method", "kind", "field"),
    [("GET", kind, field) for kind in READS for field in READS[kind]]
    + [("PUT", kind, field) for kind in WRITES for field in WRITES[kind]],
)
def test_a_missing_or_wrong_field_is_answered_400_and_named(
    empty: Server, method: str, kind: str, field: str
) -> None:
    right = {"type": kind, **(READS if method == "GET" else WRITES)[kind]}
    missing = empty.ask(method, {name: right[name] for name in right if name != field})
    assert_error(missing, 400)
    assert field in missing.text
    for value in WRONG:
        response = empty.ask(method, {**right, field: value})
        if response.status in (200, 404):
            # some of these are right for some fields
            assert NUMBERS.get(type(value), type(value)) is type(right[field])
            continue
        assert_error(response, 400)


@pytest.mark.parametrize("kind", [kind for kind in WRITES if kind != "buffer_info"])
def test_a_rejected_write_stores_nothing(server: Server, kind: str) -> None:
    for field in WRITES[kind]:
        assert server.put(kind, **{**WRITES[kind], field: -5}).status == 400
    for read, fields in READS.items():
        if read not in NEVER_MISSED:
            assert server.get(read, **fields).status == 404


@pytest.mark.parametrize("kind", sorted(set(WRITES) - set(BULK)))
def test_a_write_is_answered_ok(server: Server, kind: str) -> None:
    assert server.put(kind, **WRITES[kind]).text == "OK"
    assert server.put(kind, **WRITES[kind], surprise=1).text == "OK"
    assert server.get(kind, **READS[kind]).status == 200


@pytest.mark.parametrize("kind", BULK)
def test_a_bulk_write_is_answered_with_its_outcomes(server: Server, kind: str) -> None:
    for outcome in ("stored", "unchanged"):
        response = server.put(kind, **WRITES[kind], surprise=1)
        assert (response.status, response.json()) == (200, {TF: outcome})
        assert response.headers["content-type"] == "text/plain; charset=utf-8"
    assert server.get(BULK[kind], **KEY).status == 200


@pytest.mark.parametrize("kind", BULK)
def test_a_bad_entry_is_neither_an_error_of_the_server_nor_of_the_others(
    server: Server, kind: str
) -> None:
    (right,) = WRITES[kind]["value"].values()
    keys = [checksum(("bad", number)) for number in range(len(WRONG))]
    bad = dict(zip(keys, WRONG, strict=True))
    bad |= {"": right, "\ud800": right, "\x00": right, "x" * 300_000: right, TF[1:]: right}
    response = server.put(kind, value={**bad, TF: right})
    outcomes = response.json()
    assert (response.status, list(outcomes)) == (200, [*bad, TF])
    assert outcomes.pop(TF) == "stored"
    for key, outcome in outcomes.items():
        if outcome in ("stored", "unchanged"):
            assert (kind, type(bad[key])) == ("buffer_infos", dict)
        else:
            assert outcome["status"] == 400
            assert len(outcome["error"]) < 300
    assert server.get(BULK[kind], **KEY).status == 200


@pytest.mark.parametrize("kind", BULK)
def test_a_bulk_write_has_a_number_of_entries_at_most(server: Server, kind: str) -> None:
    (right,) = WRITES[kind]["value"].values()
    most = {checksum(number): right for number in range(MAX_ENTRIES)}
    response = server.put(kind, value=most)
    assert response.status == 200
    assert response.json().keys() == most.keys()
    refused = server.put(kind, value={**most, TF: right})
    assert_error(refused, 400)
    assert "at most 1000 entries" in refused.text
    assert server.get(BULK[kind], **KEY).status == 404


def test_a_bulk_write_is_counted_once_and_its_entries_as_writes(server: Server) -> None:
    value = {checksum(number): ONE for number in range(7)}
    server.put("transformations", value=value)
    page = server.ask("GET", path="/metrics").text
    labels = 'method="PUT",status="200",type="transformations"'
    assert f"seamless_database_requests_total{{{labels}}} 1.0" in page
    assert "seamless_database_commit_writes_sum 7.0" in page
    assert "seamless_database_commit_writes_count 1.0" in page


@pytest.mark.parametrize(
    "body",
    [
        None,
        b"nonsense",
        {"type": "transformation", **KEY, "value": ONE},
        {"type": "transformations", "value": {TF: ONE}},
    ],
)
def test_a_read_only_server_rejects_every_put(tmp_path: Path, body: object) -> None:
    Database(tmp_path / "seamless.db", writable=True).close()
    with Server(tmp_path / "seamless.db", writable=False) as server:
        response = server.ask("PUT", body)
        assert (response.status, response.text) == (405, "ERROR: Database server is read-only")
        assert response.headers["allow"] == "GET, HEAD"


# conflicts


def test_conflicts_are_answered_409(server: Server) -> None:
    server.put("metadata", **WRITES["metadata"])
    other = {**KEY, "result": TWO, "value": record(TF, TWO)}
    differs = server.put("metadata", **other)
    assert differs.status == 409
    assert differs.text == "ERROR: Transformation result does not match execution record result"
    changed = {**WRITES["metadata"], "value": record(TF, ONE, wall_time_seconds=9)}
    again = server.put("metadata", **changed)
    assert again.status == 409
    assert again.text == "ERROR: Execution record already exists with different metadata"
    assert server.put("irreproducible", **KEY, result=ONE).text == "OK"
    rejected = server.put("metadata", **WRITES["metadata"])
    assert rejected.status == 409
    assert rejected.text == "ERROR: Transformation already has irreproducible records"


def test_an_irreproducible_result_that_is_not_stored_is_answered_404(server: Server) -> None:
    server.put("transformation", **KEY, value=ONE)
    response = server.put("irreproducible", **KEY, result=TWO)
    assert response.status == 404
    assert response.text == "ERROR: Transformation does not have the irreproducible result"


def test_a_record_is_returned_to_the_last_digit(server: Server) -> None:
    text = (
        f'{{"schema_version": 1, "tf_checksum": "{TF}", "result_checksum": "{ONE}", '
        '"big": 118059162071741130342412, "small": 5e-324, "minus": -0.0, "whole": 3.0, '
        '"nul": "\\u0000", "lone": "\\ud83d", "deep": ' + "[" * 150 + "]" * 150 + "}"
    )
    put = f'{{"type": "metadata", "checksum": "{TF}", "result": "{ONE}", "value": {text}}}'
    assert server.ask("PUT", put.encode()).text == "OK"
    assert repr(server.get("metadata", **KEY).json()) == repr(json.loads(text))


# large answers


def test_a_large_record_is_returned_completely(server: Server) -> None:
    value = record(TF, ONE, ascii="x" * 3_000_000, other="é" * 500_000)
    assert server.put("metadata", **KEY, result=ONE, value=value).text == "OK"
    for _ in range(2):
        assert server.get("metadata", **KEY).json() == value
    head = server.ask("HEAD", {"type": "metadata", **KEY})
    assert (head.status, head.text) == (200, "")


def test_other_requests_are_answered_while_a_large_response_is_sent(server: Server) -> None:
    value = record(TF, ONE, x="x" * 8_000_000)
    assert server.put("metadata", **KEY, result=ONE, value=value).text == "OK"
    with socket.socket() as slow:
        # so that the system keeps little of the answer
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.settimeout(TIMEOUT)
        slow.connect((server.host, server.port))
        body = json.dumps({"type": "metadata", **KEY}).encode()
        slow.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        # it has begun
        assert slow.recv(1) == b"H"
        for _ in range(20):
            assert server.ask("GET", path="/healthcheck").text == "OK"
            assert server.get("transformation", **KEY).text == ONE
        with slow.makefile("rb") as stream:
            assert stream.readline() == b"TTP/1.1 200 OK\r\n"
            headers = http.client.parse_headers(stream)
            text = stream.read(int(headers["content-length"]))
    assert json.loads(text) == value
