"""The published client on our server, ours on the published one: the same answers from both."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from companions import database_clients
from companions.database_clients import (
    IRREPRODUCIBLE,
    OTHER,
    RESULT,
    TOKENS,
    TRANSFORMATION,
    record,
)
from companions.sandbox import Sandbox
from database_server import Server
from published_server import PublishedServer

Answers = dict[str, Any]


READING = ("result", "source", "record", "probe", "irreproducible", "sources left")


def wheel_server(sandbox: Sandbox, file: Path) -> Server:
    """Start the database of our wheel."""

    class WheelServer(Server):
        command = (str(sandbox.environment.commands / "seamless-database"),)

    return WheelServer(file)


def ask(sandbox: Sandbox, client: str, server: Server, *titles: str) -> Answers:
    file = Path(database_clients.__file__)
    out = sandbox.run("python", file, client, server.url, *titles, cwd=sandbox.home).out
    answers: Answers = json.loads(out)
    return answers


@pytest.fixture(scope="module")
def published(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Answers:
    """What every method of the published client gets from our server."""
    with wheel_server(sandbox, tmp_path_factory.mktemp("ours") / "seamless.db") as server:
        return ask(sandbox, "published", server)


@pytest.fixture(scope="module")
def ours(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Answers:
    """What every method of our client gets from the published server."""
    with PublishedServer(tmp_path_factory.mktemp("theirs") / "seamless.db") as server:
        return ask(sandbox, "ours", server)


def test_the_published_client_finds_nothing_in_an_empty_database(published: Answers) -> None:
    empty = ["no result", "no source", "no record", "no probe", "not irreproducible"]
    assert {title: published[title] for title in empty} == dict.fromkeys(empty)


def test_the_published_client_reads_back_what_it_has_written(published: Answers) -> None:
    assert published["result"] == RESULT
    assert published["source"] == [TRANSFORMATION]
    assert published["record"] == record(TRANSFORMATION, RESULT)
    assert published["probe"]["freshness_tokens"] == TOKENS


def test_the_published_client_is_told_of_a_contradicting_record(published: Answers) -> None:
    written = ("set record", "same record", "another record")
    assert [published[title] for title in written] == [True, True, False]


def test_the_published_client_is_served_irreproducible_results(
    published: Answers,
) -> None:
    assert published["undo"] is True
    assert published["undone"] is None
    (irreproducible,) = published["irreproducible"]
    assert (irreproducible["checksum"], irreproducible["result"]) == (IRREPRODUCIBLE, RESULT)
    assert irreproducible["metadata"]["freshness"] == {"tokens": TOKENS}
    assert published["one irreproducible"] == published["irreproducible"]
    assert not published["other"]
    assert published["sources left"] == [TRANSFORMATION]


def test_our_client_reads_back_what_it_has_written_to_the_published_server(ours: Answers) -> None:
    assert ours["health"] is True
    assert ours["no result"] is None
    assert ours["result"] == RESULT
    assert ours["sources"] == [TRANSFORMATION]
    assert ours["record"] == record(TRANSFORMATION, RESULT)
    assert ours["info"] == {"length": 3, "dtype": "float64", "shape": [3]}
    assert ours["syntactic"] == [OTHER]
    assert ours["expression"] == OTHER
    assert ours["probe"]["freshness_tokens"] == TOKENS


def test_the_published_server_answers_the_published_client_as_ours_does(
    sandbox: Sandbox, tmp_path: Path, published: Answers
) -> None:
    with PublishedServer(tmp_path / "seamless.db") as server:
        assert ask(sandbox, "published", server) == published


def test_our_server_answers_our_client_as_the_published_one_does(
    sandbox: Sandbox, tmp_path: Path, ours: Answers
) -> None:
    with wheel_server(sandbox, tmp_path / "seamless.db") as server:
        assert ask(sandbox, "ours", server) == ours


def test_a_file_goes_from_server_to_server_below_the_published_client(
    sandbox: Sandbox, tmp_path: Path, published: Answers
) -> None:
    file = tmp_path / "seamless.db"
    with PublishedServer(file) as server:
        ask(sandbox, "published", server)
    wanted = {title: published[title] for title in READING}
    with wheel_server(sandbox, file) as server:
        assert ask(sandbox, "published", server, *READING) == wanted
        server.put("transformation", checksum=OTHER, value=OTHER)
    with PublishedServer(file) as server:
        assert ask(sandbox, "published", server, *READING) == wanted
        assert server.get("transformation", checksum=OTHER).text == OTHER
