"""One file, two servers: what ours has written works in the published one, and back."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest
from database_samples import checksum, record
from database_server import Response, Server
from published_server import PublishedServer

from seamless_database.client import AsyncDatabaseClient, DatabaseClient
from seamless_database.errors import BulkWriteError, ConflictError

if TYPE_CHECKING:
    from pathlib import Path

NODE = {"bucket_kind": "node", "label": "näme"}
MEANING = {"celltype": "python", "subcelltype": ""}
EXPRESSION = {"path": ["a", 0, "é"], "celltype": "mixed", "target_celltype": "plain"}
INFO = {"length": 800, "dtype": "float64", "shape": [10, 10], "is_numpy": True}
PROBE = {"captured_at": "noon", "freshness_tokens": {"boot": "x", "n": 1}}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "seamless.db"


def fill(server: Server, name: str) -> None:
    """Store something of every kind; `name` makes it another something."""

    def key(part: str) -> str:
        return checksum((name, part))

    body = record(key("tf"), key("result"), big=2**70, small=5e-324, text="naïve 中文 \ud83d")
    other = record(key("irreproducible"), key("result"))
    answers = [
        server.put("metadata", checksum=key("tf"), result=key("result"), value=body),
        server.put("transformation", checksum=key("plain"), value=key("result")),
        server.put("metadata", checksum=key("irreproducible"), result=key("result"), value=other),
        server.put("irreproducible", checksum=key("irreproducible"), result=key("result")),
        server.put("transformation", checksum=key("plain irreproducible"), value=key("result")),
        server.put("irreproducible", checksum=key("plain irreproducible"), result=key("result")),
        server.put("buffer_info", checksum=key("buffer"), value=INFO),
        server.put(
            "semantic_to_syntactic", checksum=key("semantic"), **MEANING, value=[key("syntactic")]
        ),
        server.put("expression", checksum=key("input"), **EXPRESSION, value=key("result")),
        server.put("bucket_probe", **NODE, bucket_checksum=key("bucket"), **PROBE),
    ]
    assert [answer.text for answer in answers] == ["OK"] * len(answers)


def questions(name: str) -> list[dict[str, Any]]:
    """Everything that can be asked about what `fill` has stored."""

    def about(kind: str, part: str, **fields: object) -> dict[str, Any]:
        return {"type": kind, "checksum": checksum((name, part)), **fields}

    return [
        about("transformation", "tf"),
        about("transformation", "plain"),
        about("transformation", "irreproducible"),
        about("rev_transformations", "result"),
        about("metadata", "tf"),
        about("metadata", "plain"),
        about("metadata", "irreproducible"),
        about("irreproducible", "tf"),
        about("irreproducible", "irreproducible"),
        about("irreproducible", "plain irreproducible"),
        about("irreproducible", "irreproducible", result=checksum((name, "result"))),
        about("buffer_info", "buffer"),
        about("semantic_to_syntactic", "semantic", **MEANING),
        about("syntactic_to_semantic", "syntactic", **MEANING),
        about("expression", "input", **EXPRESSION),
        about("rev_expression", "result"),
        {"type": "bucket_probe", **NODE},
    ]


def answers(server: Server, name: str) -> list[tuple[int, object]]:
    return [normal(server.ask("GET", question)) for question in questions(name)]


def normal(answer: Response) -> tuple[int, object]:
    """An answer without what does not count: the spelling of JSON, the order of lists and keys."""
    if answer.text[0] not in "[{":
        return answer.status, answer.text
    value = answer.json()
    items = value if isinstance(value, list) else [value]
    return answer.status, sorted(json.dumps(item, sort_keys=True) for item in items)


def test_the_published_server_answers_what_ours_has_written(file: Path) -> None:
    with Server(file) as ours:
        fill(ours, "a")
        wanted = answers(ours, "a")
        assert ours.stop() == (0, "")
    with PublishedServer(file) as published:
        assert answers(published, "a") == wanted


def test_ours_answers_what_the_published_server_has_written(file: Path) -> None:
    with PublishedServer(file) as published:
        fill(published, "a")
        wanted = answers(published, "a")
    with Server(file, writable=False) as ours:
        assert answers(ours, "a") == wanted


def test_a_file_goes_back_and_forth(file: Path) -> None:
    with PublishedServer(file) as published:
        fill(published, "a")
    with Server(file) as ours:
        fill(ours, "b")
        # the last probe of a label replaces the others
        wanted = {name: answers(ours, name)[:-1] for name in "ab"}
        assert ours.stop() == (0, "")
    with PublishedServer(file) as published:
        fill(published, "c")
        assert {name: answers(published, name)[:-1] for name in "ab"} == wanted
    with Server(file) as ours:
        assert {name: answers(ours, name)[:-1] for name in "ab"} == wanted


def test_both_servers_may_have_the_file_open(file: Path) -> None:
    with PublishedServer(file) as published, Server(file) as ours:
        fill(published, "a")
        fill(ours, "b")
        for name in "ab":
            assert answers(ours, name)[:-1] == answers(published, name)[:-1]


def test_what_the_published_server_leaves_behind_is_not_believed(file: Path) -> None:
    tf, former, present = checksum("tf"), checksum("former"), checksum("present")
    body = record(tf, former)
    with PublishedServer(file) as published:
        published.put("metadata", checksum=tf, result=former, value=body)
        for _ in range(2):
            published.put("transformation", checksum=tf, value=present)
        # the peer's own mistakes, without which this test would prove nothing
        assert published.get("metadata", checksum=tf).json() == body
        assert published.get("rev_transformations", checksum=former).json() == [tf]
        assert published.get("rev_transformations", checksum=present).json() == [tf, tf]
    with Server(file) as ours:
        assert ours.get("metadata", checksum=tf).status == 404
        assert ours.get("rev_transformations", checksum=former).status == 404
        assert ours.get("rev_transformations", checksum=present).json() == [tf]
        new = record(tf, present)
        assert ours.put("metadata", checksum=tf, result=present, value=new).status == 200
        assert ours.get("metadata", checksum=tf).json() == new


def test_our_client_asks_a_published_server_for_many_one_by_one(file: Path) -> None:
    keys = [checksum(number) for number in range(5)]
    with PublishedServer(file) as server, DatabaseClient(server.url) as client:
        client.put_transformation(keys[0], keys[1])
        client.put_transformation(keys[2], keys[3])
        client.put_buffer_info(keys[4], {"length": 3})
        assert client.get_transformations(keys) == {keys[0]: keys[1], keys[2]: keys[3]}
        assert client.get_buffer_infos(keys) == {keys[4]: {"length": 3}}
        # and again, now that it is known not to know lists
        assert client.get_transformations(keys[2:]) == {keys[2]: keys[3]}


def test_our_client_writes_many_to_a_published_server_one_by_one(file: Path) -> None:
    keys = [checksum(number) for number in range(5)]
    results = {keys[0]: keys[1], keys[2]: keys[3]}
    infos = {keys[4]: {"length": 3}, keys[3]: {"length": 4}}
    records = {
        keys[0]: (keys[1], record(keys[0], keys[1])),
        keys[2]: (keys[4], record(keys[2], keys[4])),
    }
    with PublishedServer(file) as server, DatabaseClient(server.url) as client:
        for _ in range(2):
            client.put_transformations(results)
            client.put_buffer_infos(infos)
            with pytest.raises(BulkWriteError) as caught:
                client.put_metadatas(records)
            assert {key: type(error) for key, error in caught.value.errors.items()} == {
                keys[2]: ConflictError
            }
        assert client.get_transformations(results) == results
        assert client.get_buffer_infos(infos) == infos
        assert client.get_metadata(keys[0]) == records[keys[0]][1]


def test_our_asynchronous_client_works_with_a_published_server(file: Path) -> None:
    keys = [checksum(number) for number in range(40)]

    async def talk(url: str) -> None:
        async with AsyncDatabaseClient(url) as client:
            for _ in range(2):
                await asyncio.gather(*(client.put_transformation(key, key) for key in keys[:20]))
                found = await asyncio.gather(*(client.get_transformation(key) for key in keys))
                assert found == keys[:20] + [None] * 20

    with PublishedServer(file) as server:
        asyncio.run(talk(server.url))
