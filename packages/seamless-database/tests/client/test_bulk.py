"""Bulk writes of the client: split into requests, an error for each entry, older servers."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from database_samples import checksum, record
from database_server import Server
from other_servers import PROTOCOL, other_server

from seamless_database.client import AsyncDatabaseClient, DatabaseClient
from seamless_database.errors import (
    BulkWriteError,
    ConflictError,
    ForbiddenError,
    ReadOnlyError,
    RequestError,
    UnavailableError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TF, RESULT, OTHER = checksum(1), checksum(2), checksum(3)
READ_TOKEN, WRITE_TOKEN = "r" * 20, "w" * 20


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("bulk") / "seamless.db") as server:
        yield server


@pytest.fixture
def client(server: Server) -> Iterator[DatabaseClient]:
    with DatabaseClient(server.url) as client:
        yield client


def test_many_results_are_stored(client: DatabaseClient) -> None:
    results = {checksum((number, "bulk")): checksum((number, "r")) for number in range(2_500)}
    client.put_transformations(results)
    client.put_transformations(results)
    assert client.get_transformations(results) == results
    client.put_transformations({})


def test_many_infos_and_records_are_stored(client: DatabaseClient) -> None:
    infos = {checksum(number): {"length": number} for number in range(200, 203)}
    client.put_buffer_infos(infos)
    assert client.get_buffer_infos(infos) == infos
    records = {key: (RESULT, record(key, RESULT)) for key in map(checksum, range(210, 213))}
    client.put_metadatas(records)
    for key, (_, body) in records.items():
        assert client.get_metadata(key) == body


def test_rejected_entries_are_named_and_the_others_stored(client: DatabaseClient) -> None:
    keys = [checksum(number) for number in range(220, 224)]
    client.put_transformation(keys[1], OTHER)
    bodies = {key: (RESULT, record(key, RESULT)) for key in keys}
    bodies[keys[2]] = (RESULT, record(keys[2], OTHER))
    bodies[keys[3]] = (RESULT, {"x": float("nan")})
    with pytest.raises(BulkWriteError) as caught:
        client.put_metadatas(bodies)
    errors = caught.value.errors
    assert {key: type(error) for key, error in errors.items()} == {
        keys[1]: ConflictError,
        keys[2]: RequestError,
        keys[3]: RequestError,
    }
    message = str(caught.value)
    assert message.startswith(f"3 of 4 entries were not stored ({keys[1]}: Transformation result")
    assert all(str(error) in message for error in errors.values())
    assert client.get_metadata(keys[0]) == bodies[keys[0]][1]


def test_a_message_names_some_of_many_rejected_entries(client: DatabaseClient) -> None:
    infos = {checksum((number, "wrong")): {"length": -1} for number in range(1_200)}
    with pytest.raises(
        BulkWriteError, match=r"1200 of 1200 entries .*; and 1195 more\)$"
    ) as caught:
        client.put_buffer_infos(infos)
    assert caught.value.errors.keys() == infos.keys()
    assert len(str(caught.value)) < 1_000


def test_wrong_arguments_of_a_bulk_write_are_rejected_before_anything_is_sent() -> None:
    with DatabaseClient("http://127.0.0.1:1") as client:
        with pytest.raises(RequestError, match=r"^'checksum' must be a checksum"):
            client.put_transformations({TF: RESULT, "x": RESULT})
        with pytest.raises(RequestError, match=f"^'result of {TF}' must be a checksum"):
            client.put_transformations({TF: "x"})
        with pytest.raises(RequestError, match=f"the checksum {TF} is given twice"):
            client.put_transformations({TF: RESULT, TF.upper(): RESULT})


def test_a_bulk_write_that_is_too_large_is_sent_in_parts(tmp_path: Path) -> None:
    with (
        Server(tmp_path / "seamless.db", "--max-body", "1KB") as server,
        DatabaseClient(server.url) as client,
    ):
        results = {checksum(number): checksum(-number) for number in range(1, 40)}
        client.put_transformations(results)
        assert client.get_transformations(results) == results
        infos: dict[str, dict[str, object]] = {TF: {"note": "x" * 2000}, OTHER: {"length": 1}}
        with pytest.raises(BulkWriteError, match=r"1 of 2 .*larger than 1000 bytes") as caught:
            client.put_buffer_infos(infos)
        assert list(caught.value.errors) == [TF]
        assert client.get_buffer_info(OTHER) == {"length": 1}


def test_what_only_a_single_request_can_hold_is_sent_alone(client: DatabaseClient) -> None:
    # a body nests 200 levels at most, and an entry begins one level deeper in a bulk write
    nested: list[object] = []
    for _ in range(196):
        nested = [nested]
    keys = [checksum(number) for number in range(250, 260)]
    infos: dict[str, dict[str, object]] = {key: {"length": 1} for key in keys}
    infos[keys[3]] = {"x": [nested]}
    infos[keys[6]] = {"x": [[nested]]}
    with pytest.raises(BulkWriteError, match="1 of 10") as caught:
        client.put_buffer_infos(infos)
    assert [*caught.value.errors] == [keys[6]]
    assert client.get_buffer_infos([keys[3], keys[9]]) == {
        keys[3]: infos[keys[3]],
        keys[9]: infos[keys[9]],
    }


def test_large_entries_are_sent_in_several_requests(
    client: DatabaseClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seamless_database.client.bulk.MAX_BULK_BYTES", 5_000)
    keys = [checksum(number) for number in range(230, 240)]
    infos = {key: {"note": "x" * (900 if key != keys[3] else 9_000)} for key in keys}
    client.put_buffer_infos(infos)
    assert client.get_buffer_infos(keys) == infos


def test_errors_of_a_whole_bulk_write_are_raised_as_they_are(tmp_path: Path) -> None:
    results = {TF: RESULT, OTHER: RESULT}
    with Server(tmp_path / "seamless.db"):
        pass
    with (
        Server(tmp_path / "seamless.db", writable=False) as server,
        DatabaseClient(server.url) as client,
        pytest.raises(ReadOnlyError),
    ):
        client.put_transformations(results)


def test_a_bulk_write_needs_a_write_token(tmp_path: Path) -> None:
    tokens = tmp_path / "tokens"
    tokens.write_text(f"read {READ_TOKEN}\nwrite {WRITE_TOKEN}\n")
    tokens.chmod(0o600)
    results = {TF: RESULT, OTHER: RESULT}
    with Server(tmp_path / "seamless.db", "--token-file", str(tokens)) as server:
        with DatabaseClient(server.url, token=READ_TOKEN) as client, pytest.raises(ForbiddenError):
            client.put_transformations(results)
        with DatabaseClient(server.url, token=WRITE_TOKEN) as client:
            assert client.get_transformations(results) == {}
            client.put_transformations(results)
            assert client.get_transformations(results) == results


def test_an_outage_is_raised_as_it_is() -> None:
    with (
        other_server("ERROR: disk full", status=503, protocol=PROTOCOL) as url,
        DatabaseClient(url) as client,
        pytest.raises(UnavailableError, match=r"^disk full$"),
    ):
        client.put_transformations({TF: RESULT, OTHER: RESULT})


def test_the_async_client_writes_the_same(server: Server) -> None:
    async def talk() -> None:
        async with AsyncDatabaseClient(server.url) as client:
            results = {checksum((number, "async")): RESULT for number in range(1_100)}
            await client.put_transformations(results)
            assert await client.get_transformations(results) == results
            infos = {checksum(91): {"length": 1}, checksum(92): {"length": 2}}
            await client.put_buffer_infos(infos)
            assert await client.get_buffer_infos(infos) == infos
            with pytest.raises(BulkWriteError) as caught:
                await client.put_metadatas({TF: (RESULT, {}), OTHER: (RESULT, {})})
            assert [*caught.value.errors] == [TF, OTHER]

    asyncio.run(talk())


def test_the_errors_are_under_the_keys_as_they_were_given(client: DatabaseClient) -> None:
    keys = [checksum("upper").upper(), checksum("lower")]
    with pytest.raises(BulkWriteError) as caught:
        client.put_buffer_infos({key: {"length": -1} for key in keys})
    assert [*caught.value.errors] == keys
    raw = [bytes(32), bytes(31) + b"a"]
    infos = {key: {"length": 1} for key in raw}
    client.put_buffer_infos(infos)
    assert client.get_buffer_infos(raw) == infos
