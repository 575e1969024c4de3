from __future__ import annotations

import asyncio
import inspect
import pydoc
import re
import socket
from types import MappingProxyType
from typing import TYPE_CHECKING

import pytest
from database_samples import checksum, record
from database_server import Server

from seamless_database.client import AsyncDatabaseClient, DatabaseClient
from seamless_database.errors import (
    ClientError,
    ConflictError,
    ForbiddenError,
    ReadOnlyError,
    RequestError,
    UnauthorizedError,
    UnknownKeyError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from seamless_database.client.checksum_argument import ChecksumLike

TF, RESULT, OTHER = checksum(1), checksum(2), checksum(3)
READ_TOKEN, WRITE_TOKEN = "r" * 20, "w" * 20


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("client") / "seamless.db") as server:
        yield server


@pytest.fixture
def client(server: Server) -> Iterator[DatabaseClient]:
    with DatabaseClient(server.url) as client:
        yield client


def test_the_server_is_healthy(client: DatabaseClient) -> None:
    assert client.healthcheck() is True


def test_the_protocol_is_2_1(client: DatabaseClient) -> None:
    assert client.get_protocol() == ["seamless", "database", "2.1"]


def test_every_miss_is_none(client: DatabaseClient) -> None:
    nobody = checksum(99)
    assert client.get_transformation(nobody) is None
    assert client.get_rev_transformations(nobody) is None
    assert client.get_metadata(nobody) is None
    assert client.get_irreproducible(nobody) is None
    assert client.get_buffer_info(nobody) is None
    assert client.get_semantic_to_syntactic(nobody, "python") is None
    assert client.get_syntactic_to_semantic(nobody, "python") is None
    assert client.get_expression(nobody, [], "mixed", "plain") is None
    assert client.get_rev_expression(nobody) is None
    assert client.get_bucket_probe("node", "nobody") is None


def test_a_transformation_is_stored_and_found_both_ways(client: DatabaseClient) -> None:
    client.put_transformation(checksum(10), checksum(11))
    assert client.get_transformation(checksum(10)) == checksum(11)
    assert client.get_rev_transformations(checksum(11)) == [checksum(10)]


def test_a_record_is_stored_once(client: DatabaseClient) -> None:
    body = record(checksum(20), RESULT, wall_time_seconds=3.0)
    client.put_metadata(checksum(20), RESULT, body)
    assert client.get_metadata(checksum(20)) == body
    with pytest.raises(ConflictError, match="already exists with different metadata"):
        client.put_metadata(checksum(20), RESULT, {**body, "wall_time_seconds": 4.0})


def test_an_irreproducible_result_is_removed_with_its_record(client: DatabaseClient) -> None:
    body = record(checksum(30), RESULT)
    client.put_metadata(checksum(30), RESULT, body)
    client.put_irreproducible(checksum(30), RESULT)
    assert client.get_transformation(checksum(30)) is None
    row = {"checksum": checksum(30), "result": RESULT, "metadata": body}
    assert client.get_irreproducible(checksum(30)) == [row]
    assert client.get_irreproducible(checksum(30), OTHER) is None


def test_an_irreproducible_result_that_is_not_stored_is_an_unknown_key(
    client: DatabaseClient,
) -> None:
    client.put_transformation(checksum(40), RESULT)
    with pytest.raises(UnknownKeyError, match="does not have the irreproducible result"):
        client.put_irreproducible(checksum(40), OTHER)


def test_buffer_info_is_merged(client: DatabaseClient) -> None:
    client.put_buffer_info(checksum(50), {"length": 3})
    client.put_buffer_info(checksum(50), {"is_utf8": True})
    assert client.get_buffer_info(checksum(50)) == {"length": 3, "is_utf8": True}


def test_any_mapping_is_sent(client: DatabaseClient) -> None:
    facts = MappingProxyType({"length": 3, "inner": MappingProxyType({"a": 1})})
    client.put_buffer_info(checksum(51), facts)
    assert client.get_buffer_info(checksum(51)) == {"length": 3, "inner": {"a": 1}}


def test_meanings_are_found_both_ways(client: DatabaseClient) -> None:
    client.put_semantic_to_syntactic(checksum(60), "python", "", [checksum(61)])
    assert client.get_semantic_to_syntactic(checksum(60), "python") == [checksum(61)]
    assert client.get_syntactic_to_semantic(checksum(61), "python") == [checksum(60)]


def test_an_expression_is_found_both_ways(client: DatabaseClient) -> None:
    client.put_expression(checksum(70), ["a", 0], "mixed", "plain", checksum(71))
    assert client.get_expression(checksum(70), ["a", 0], "mixed", "plain") == checksum(71)
    assert client.get_rev_expression(checksum(71)) == [
        {
            "checksum": checksum(70),
            "path": ["a", 0],
            "celltype": "mixed",
            "target_celltype": "plain",
            "result": checksum(71),
        }
    ]


def test_a_bucket_probe_is_replaced(client: DatabaseClient) -> None:
    client.put_bucket_probe("node", "n", checksum(80), "noon", {"boot": 1})
    client.put_bucket_probe("node", "n", checksum(81), "midnight", {"boot": 2})
    assert client.get_bucket_probe("node", "n") == {
        "bucket_kind": "node",
        "label": "n",
        "bucket_checksum": checksum(81),
        "captured_at": "midnight",
        "freshness_tokens": {"boot": 2},
    }


def test_many_results_are_found_and_misses_are_absent(client: DatabaseClient) -> None:
    client.put_transformation(checksum(100), RESULT)
    client.put_transformation(checksum(101), OTHER)
    asked = (checksum(number) for number in (101, 100, 199))
    assert client.get_transformations(asked) == {checksum(101): OTHER, checksum(100): RESULT}
    assert client.get_transformations([]) == {}


def test_many_infos_are_found_and_misses_are_absent(client: DatabaseClient) -> None:
    client.put_buffer_info(checksum(102), {"length": 3})
    assert client.get_buffer_infos([checksum(102), checksum(199)]) == {checksum(102): {"length": 3}}


def test_more_checksums_than_fit_into_one_request_are_looked_up(client: DatabaseClient) -> None:
    client.put_transformation(checksum(103), RESULT)
    many = [checksum((number, "nobody")) for number in range(10_001)]
    assert client.get_transformations([*many, checksum(103)]) == {checksum(103): RESULT}


def test_a_result_is_under_the_checksum_in_the_case_that_was_given(client: DatabaseClient) -> None:
    client.put_transformation(checksum(104), RESULT)
    asked = [checksum(104).upper(), checksum(104), checksum(104).upper()]
    assert client.get_transformations(asked) == dict.fromkeys(asked, RESULT)


def test_one_wrong_checksum_among_many_is_named_by_its_index(client: DatabaseClient) -> None:
    for wrong in ("x" * 64, "", None):
        with pytest.raises(RequestError, match=r"'checksums\[1\]' must be a checksum"):
            client.get_buffer_infos([TF, wrong, OTHER])  # type: ignore[type-var]  # on purpose


def test_a_list_that_is_too_large_is_sent_in_parts(tmp_path: Path) -> None:
    with (
        Server(tmp_path / "seamless.db", "--max-body", "1KB") as server,
        DatabaseClient(server.url) as client,
    ):
        stored = {checksum(number): checksum(-number) for number in range(1, 40)}
        for key, result in stored.items():
            client.put_transformation(key, result)
        assert client.get_transformations([*stored, TF[::-1]]) == stored


def test_a_rejected_request_is_a_request_error(client: DatabaseClient) -> None:
    with pytest.raises(RequestError, match="'checksum'"):
        client.get_transformation("not a checksum")


def test_a_value_without_json_form_is_not_sent(client: DatabaseClient) -> None:
    for value in (float("nan"), b"bytes", {1, 2}):
        with pytest.raises(RequestError, match="cannot be sent"):
            client.put_buffer_info(TF, {"x": value})


def test_a_read_only_server_is_a_read_only_error(tmp_path: Path) -> None:
    with Server(tmp_path / "seamless.db"):
        pass
    with (
        Server(tmp_path / "seamless.db", writable=False) as server,
        DatabaseClient(server.url) as client,
        pytest.raises(ReadOnlyError),
    ):
        client.put_transformation(TF, RESULT)


def test_an_unreachable_server_is_a_client_error() -> None:
    with (
        DatabaseClient("http://127.0.0.1:1") as client,
        pytest.raises(ClientError, match=r"http://127\.0\.0\.1:1"),
    ):
        client.get_transformation(TF)


def test_a_silent_server_is_a_client_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        wanted = f"^{url} did not answer in time$"
        with (
            DatabaseClient(url, timeout=0.2) as client,
            pytest.raises(ClientError, match=wanted),
        ):
            client.get_transformation(TF)

        async def talk() -> None:
            async with AsyncDatabaseClient(url, timeout=0.2) as client:
                await client.get_transformation(TF)

        with pytest.raises(ClientError, match=wanted):
            asyncio.run(talk())


def test_the_async_client_returns_the_same_values(server: Server) -> None:
    async def talk() -> None:
        async with AsyncDatabaseClient(server.url) as client:
            await client.put_transformation(checksum(90), RESULT)
            assert await client.get_transformation(checksum(90)) == RESULT
            assert await client.get_transformation(checksum(98)) is None
            found = await client.get_transformations([checksum(90), checksum(98)])
            assert found == {checksum(90): RESULT}
            assert await client.get_buffer_infos([checksum(98)]) == {}
            with pytest.raises(RequestError):
                await client.get_metadata("")

    asyncio.run(talk())


def test_both_clients_have_the_same_methods() -> None:
    def public(client_class: type) -> set[str]:
        return {name for name in vars(client_class) if not name.startswith("_")}

    assert public(DatabaseClient) == public(AsyncDatabaseClient)


def test_methods_keep_their_signature_and_description(client: DatabaseClient) -> None:
    assert list(inspect.signature(client.put_transformation).parameters) == ["checksum", "result"]
    assert "result" in str(client.put_transformation.__doc__)


@pytest.mark.parametrize("client_class", [DatabaseClient, AsyncDatabaseClient])
def test_help_shows_the_parameters_and_result_of_each_method(client_class: type) -> None:
    # newer versions of Python break long lines
    shown = re.sub(r"[\s|]+", "", pydoc.plain(pydoc.render_doc(client_class)))
    for line in (
        "get_protocol(self) -> list[str]",
        "get_transformation(self, checksum: str | bytes | ",
        "HasHex) -> str | None",
        "label: str) -> dict[str, typing.Any] | None",
        "Return the checksum of a transformation's result, or None if none is stored.",
    ):
        assert re.sub(r"[\s|]+", "", line) in shown
    methods = [name for name in vars(client_class) if not name.startswith("_")]
    for name in methods:
        signature = inspect.signature(getattr(client_class, name))
        assert "Call[" not in str(signature.return_annotation), name
        assert signature.return_annotation is not inspect.Signature.empty, name
        assert inspect.getdoc(getattr(client_class, name)), name
    asynchronous = [
        inspect.iscoroutinefunction(getattr(client_class, name))
        for name in methods
        if name != "claim"  # returns a context manager at once
    ]
    assert set(asynchronous) == {client_class is AsyncDatabaseClient}


class Named:
    """An object with a method hex(), such as the checksums of other packages."""

    def __init__(self, text: str) -> None:
        self._text = text

    def hex(self) -> str:
        return self._text


def test_a_checksum_may_be_text_bytes_or_an_object_with_hex(client: DatabaseClient) -> None:
    kinds: list[Callable[[str], ChecksumLike]] = [str, str.upper, bytes.fromhex, Named]
    for number, kind in enumerate(kinds):
        key, result = kind(checksum((number, "key"))), kind(checksum((number, "result")))
        text, value = checksum((number, "key")), checksum((number, "result"))
        client.put_transformation(key, result)
        assert client.get_transformation(key) == value
        assert client.get_rev_transformations(result) == [text]
        client.put_metadata(key, result, {**record(text, value), "tf_checksum": Named(text)})
        assert client.get_metadata(key) == record(text, value)
        client.put_irreproducible(key, result)
        assert client.get_irreproducible(key, result) == client.get_irreproducible(text)
        client.put_buffer_info(key, {"length": 3})
        assert client.get_buffer_info(key) == {"length": 3}
        client.put_semantic_to_syntactic(key, "python", "", [result])
        assert client.get_semantic_to_syntactic(key, "python") == [value]
        assert client.get_syntactic_to_semantic(result, "python") == [text]
        client.put_expression(key, [], "mixed", "plain", result)
        assert client.get_expression(key, [], "mixed", "plain") == value
        assert client.get_rev_expression(result) is not None
        client.put_bucket_probe("node", text, key, "noon", {"buffer": Named(text)})
        probe = client.get_bucket_probe("node", text)
        assert probe is not None
        assert probe["bucket_checksum"] == probe["freshness_tokens"]["buffer"] == text


def test_results_are_under_the_checksums_as_they_were_given(client: DatabaseClient) -> None:
    named, raw = Named(checksum(110)), bytes.fromhex(checksum(111))
    client.put_transformation(named, RESULT)
    client.put_transformation(raw, OTHER)
    assert client.get_transformations([named]) == {named: RESULT}
    assert client.get_transformations([raw, bytes(32)]) == {raw: OTHER}
    client.put_buffer_info(named, {"length": 3})
    assert client.get_buffer_infos([named]) == {named: {"length": 3}}


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that wants a token."""
    folder = tmp_path_factory.mktemp("guarded")
    tokens = folder / "tokens"
    tokens.touch(mode=0o600)
    tokens.write_text(f"read {READ_TOKEN}\nwrite {WRITE_TOKEN}\n")
    with Server(folder / "seamless.db", "--token-file", str(tokens)) as server:
        yield server


def test_a_token_is_accepted_as_argument_and_in_the_url(guarded: Server) -> None:
    with DatabaseClient(guarded.url, token=WRITE_TOKEN) as client:
        client.put_transformation(TF, RESULT)
    host = guarded.url.removeprefix("http://")
    with DatabaseClient(f"http://user:{READ_TOKEN}@{host}") as client:
        assert client.get_transformation(TF) == RESULT
        with pytest.raises(ForbiddenError):
            client.put_transformation(TF, RESULT)


def test_no_token_or_a_wrong_one_is_unauthorized(guarded: Server) -> None:
    with DatabaseClient(guarded.url) as client:
        assert client.healthcheck() is True
        with pytest.raises(UnauthorizedError, match="wants a token"):
            client.get_transformation(TF)
    with (
        DatabaseClient(guarded.url, token="y" * 20) as client,
        pytest.raises(UnauthorizedError, match="none of those"),
    ):
        client.get_transformation(TF)


def test_the_async_client_sends_tokens(guarded: Server) -> None:
    async def talk() -> None:
        host = guarded.url.removeprefix("http://")
        async with AsyncDatabaseClient(guarded.url, token=WRITE_TOKEN) as client:
            await client.put_transformation(OTHER, RESULT)
        async with AsyncDatabaseClient(f"http://user:{READ_TOKEN}@{host}") as client:
            assert await client.get_transformation(OTHER) == RESULT

    asyncio.run(talk())
