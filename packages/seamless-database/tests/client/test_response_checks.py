"""What a client makes of web servers that are no seamless-database, and of wrong responses."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from database_samples import checksum
from other_servers import PROTOCOL, other_server

from seamless_database.client import AsyncDatabaseClient, DatabaseClient, calls
from seamless_database.client.calls import Call
from seamless_database.errors import ClientError, ConflictError, RequestError, UnavailableError

TF, RESULT = checksum(1), checksum(2)
PAGE = "<!DOCTYPE html><html><head><title>Welcome to nginx!</title></head></html>"
NO_DATABASE = r"^http://127\.0\.0\.1:\d+ answered, but is no seamless-database: "

#: every request that a client can make, sent through any of the two clients
REQUESTS: dict[str, Callable[[Any], Any]] = {
    "healthcheck": lambda client: client.healthcheck(),
    "get_protocol": lambda client: client.get_protocol(),
    "get_transformation": lambda client: client.get_transformation(TF),
    "put_transformation": lambda client: client.put_transformation(TF, RESULT),
    "get_rev_transformations": lambda client: client.get_rev_transformations(RESULT),
    "get_metadata": lambda client: client.get_metadata(TF),
    "put_metadata": lambda client: client.put_metadata(TF, RESULT, {}),
    "get_irreproducible": lambda client: client.get_irreproducible(TF),
    "put_irreproducible": lambda client: client.put_irreproducible(TF, RESULT),
    "get_buffer_info": lambda client: client.get_buffer_info(TF),
    "put_buffer_info": lambda client: client.put_buffer_info(TF, {}),
    "get_semantic_to_syntactic": lambda client: client.get_semantic_to_syntactic(TF, "python"),
    "put_semantic_to_syntactic": lambda client: client.put_semantic_to_syntactic(
        TF, "python", "", [RESULT]
    ),
    "get_syntactic_to_semantic": lambda client: client.get_syntactic_to_semantic(TF, "python"),
    "get_expression": lambda client: client.get_expression(TF, [], "mixed", "plain"),
    "put_expression": lambda client: client.put_expression(TF, [], "mixed", "plain", RESULT),
    "get_rev_expression": lambda client: client.get_rev_expression(RESULT),
    "get_bucket_probe": lambda client: client.get_bucket_probe("node", "n"),
    "put_bucket_probe": lambda client: client.put_bucket_probe("node", "n", TF, "noon", {}),
    "get_claim": lambda client: client.get_claim(TF),
    "put_claim": lambda client: client.put_claim(TF, "holder", 1),
    "get_transformations": lambda client: client.get_transformations([TF]),
    "get_buffer_infos": lambda client: client.get_buffer_infos([TF]),
    "put_transformations": lambda client: client.put_transformations({TF: RESULT, RESULT: TF}),
    "put_buffer_infos": lambda client: client.put_buffer_infos({TF: {}, RESULT: {}}),
    "put_metadatas": lambda client: client.put_metadatas({TF: (TF, {}), RESULT: (TF, {})}),
}


def test_every_method_of_the_client_is_tested_here() -> None:
    public = {name for name in vars(DatabaseClient) if not name.startswith("_")}
    assert set(REQUESTS) == public - {"send", "close", "claim", "compute_once"}


def refuse_everything(url: str, match: str) -> None:
    """Send every request with both clients."""
    with DatabaseClient(url) as client:
        for request in REQUESTS.values():
            with pytest.raises(ClientError, match=match) as caught:
                request(client)
            assert caught.value.url == url

    async def talk() -> None:
        async with AsyncDatabaseClient(url) as client:
            for request in REQUESTS.values():
                with pytest.raises(ClientError, match=match):
                    await request(client)

    asyncio.run(talk())


def test_a_page_of_another_web_server_is_a_client_error() -> None:
    with other_server(PAGE, headers={"Content-Type": "text/html"}) as url:
        refuse_everything(url, NO_DATABASE + "status 200, an HTML page titled 'Welcome to nginx!'")


@pytest.mark.parametrize("body", ['{"status": "ok"}', "{}", "[]", "null", '["seamless"]', "NaN"])
def test_json_of_another_service_is_a_client_error(body: str) -> None:
    with other_server(body) as url:
        refuse_everything(url, NO_DATABASE + "status 200, JSON")


def test_an_empty_body_is_a_client_error() -> None:
    with other_server("") as url:
        refuse_everything(url, NO_DATABASE + "status 200, an empty body")


def test_json_that_is_nested_too_deeply_is_a_client_error() -> None:
    with other_server("[" * 100_000) as url, DatabaseClient(url) as client:
        for _ in range(2):
            with pytest.raises(ClientError, match=NO_DATABASE):
                client.get_rev_transformations(RESULT)


def test_a_service_that_always_answers_ok_gets_no_write() -> None:
    with other_server("OK") as url, DatabaseClient(url) as client:
        assert client.healthcheck()
        with pytest.raises(ClientError, match=NO_DATABASE):
            client.put_transformation(TF, RESULT)


def test_a_redirect_is_named_and_not_followed() -> None:
    with (
        other_server(PAGE) as target,
        other_server("", status=301, headers={"Location": f"{target}/login"}) as url,
    ):
        refuse_everything(url, NO_DATABASE + f"it redirects to {target}/login")


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 409, 413])
def test_an_error_page_is_neither_a_miss_nor_a_rejection(status: int) -> None:
    with other_server(PAGE, status=status) as url:
        refuse_everything(url, NO_DATABASE + f"status {status}")


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_the_error_of_a_proxy_page_mentions_the_server_behind_it(status: int) -> None:
    with other_server(PAGE, status=status) as url:
        refuse_everything(url, NO_DATABASE + rf"status {status}.*; a proxy answers so")


@pytest.mark.parametrize("body", [PAGE, '{"status": "ok"}', "", "0" * 63, "x" * 64])
def test_wrong_responses_of_a_proxy_are_client_errors(body: str) -> None:
    # what any object may be an answer to is left out
    only_objects = {"get_protocol", "get_buffer_info"}
    with other_server(body, protocol=PROTOCOL) as url, DatabaseClient(url) as client:
        for name, request in REQUESTS.items():
            if name not in only_objects:
                with pytest.raises(ClientError, match=NO_DATABASE):
                    request(client)


def test_an_error_text_of_a_database_is_that_error() -> None:
    with (
        other_server("ERROR: disk full", status=503, protocol=PROTOCOL) as url,
        DatabaseClient(url) as client,
        pytest.raises(UnavailableError, match=r"^disk full$"),
    ):
        client.put_transformation(TF, RESULT)
    with (
        other_server("ERROR: its log says why", status=500, protocol=PROTOCOL) as url,
        DatabaseClient(url) as client,
        pytest.raises(ClientError, match="answered with status 500: its log says why"),
    ):
        client.put_transformation(TF, RESULT)


def test_a_version_that_is_no_text_is_no_database() -> None:
    with (
        other_server(RESULT, protocol='["seamless", "database", 3]') as url,
        DatabaseClient(url) as client,
        pytest.raises(ClientError, match=NO_DATABASE),
    ):
        client.get_transformation(TF)


def test_a_database_of_another_version_is_accepted() -> None:
    with (
        other_server(RESULT.upper(), protocol='["seamless", "database", "3.0"]') as url,
        DatabaseClient(url) as client,
    ):
        assert client.get_transformation(TF) == RESULT


def object_of(**fields: object) -> dict[str, object]:
    return {"checksum": TF, "result": RESULT, **fields}


CLAIM = {"holder": "h", "since": "2026-01-31T09:15:42.071+00:00", "remaining": 1.5}
PROBE = {
    "bucket_kind": "node",
    "label": "n",
    "bucket_checksum": TF,
    "captured_at": "noon",
    "freshness_tokens": {},
}
EXPRESSION = object_of(path=[], celltype="mixed", target_celltype="plain")


@pytest.mark.parametrize(
    ("call", "right", "wrong"),
    [
        (calls.get_transformation(TF), RESULT, RESULT + "\n"),
        (calls.get_rev_transformations(TF), [RESULT], [RESULT, 5]),
        (calls.get_metadata(TF), {"tf_checksum": TF}, {"tf_checksum": RESULT}),
        (calls.get_irreproducible(TF), [object_of(metadata="")], [object_of()]),
        (calls.get_buffer_info(TF), {"length": 3}, ["length", 3]),
        (calls.get_semantic_to_syntactic(TF, "python"), [RESULT], {RESULT: TF}),
        (calls.get_rev_expression(TF), [EXPRESSION], [EXPRESSION | {"result": "x"}]),
        (calls.get_claim(TF), CLAIM, {"holder": "h"}),
        (calls.get_claim(TF), {"result": TF}, {"result": "x"}),
        (calls.get_bucket_probe("node", "n"), PROBE, PROBE | {"bucket_checksum": None}),
        (calls.get_transformations([TF]), {TF: RESULT}, {TF: None}),
        (calls.get_transformations([TF]), {}, {"x": RESULT}),
        (calls.get_buffer_infos([TF]), {TF: {}}, {TF: 5}),
        (calls.get_buffer_infos([TF]), {}, []),
    ],
)
def test_each_request_type_has_its_own_responses(
    call: Call[object], right: object, wrong: object
) -> None:
    text = right if isinstance(right, str) else json.dumps(right)
    assert call.result("http://host", 200, text) == right
    with pytest.raises(ClientError, match=r"http://host answered, but .* expected"):
        call.result("http://host", 200, wrong if isinstance(wrong, str) else json.dumps(wrong))


@pytest.mark.parametrize(
    "call",
    [
        calls.put_transformations({TF: RESULT}),
        calls.put_buffer_infos({TF: {}}),
        calls.put_metadatas({TF: {}}),
    ],
)
def test_a_bulk_write_has_one_known_outcome_for_each_entry(call: Call[calls.Rejections]) -> None:
    for accepted in ("stored", "unchanged"):
        assert call.result("http://host", 200, json.dumps({TF: accepted})) == {}
    rejected = json.dumps({TF: {"status": 409, "error": "differs"}})
    (error,) = call.result("http://host", 200, rejected).values()
    assert (type(error), str(error)) == (ConflictError, "differs")
    unknown = [{"status": 200, "error": ""}, {"status": 409}, {"status": "409", "error": ""}]
    outcomes = [None, "OK", "lost", 5, [], {}, *unknown]
    for wrong in ({}, {RESULT: "stored"}, {TF: "stored", RESULT: "stored"}, [TF], "OK"):
        with pytest.raises(ClientError, match="answered, but is no seamless-database"):
            call.result("http://host", 200, json.dumps(wrong))
    for outcome in outcomes:
        with pytest.raises(ClientError, match="answered, but is no seamless-database"):
            call.result("http://host", 200, json.dumps({TF: outcome}))


def test_a_wrong_checksum_is_rejected_before_anything_is_sent() -> None:
    with DatabaseClient("http://127.0.0.1:1") as client:
        for wrong in ("", "0" * 63, b"x" * 31, 1.5, None, object(), str):
            with pytest.raises(RequestError, match=r"^'checksum' must be a checksum"):
                client.get_transformation(wrong)  # type: ignore[arg-type]  # on purpose
