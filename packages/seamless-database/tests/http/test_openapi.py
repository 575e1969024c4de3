from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from database_samples import checksum
from database_server import Server

from seamless_database import Database, request_types
from seamless_database.http import openapi
from seamless_database.json_codec import MAX_DIGITS
from seamless_database.protocol.request import MAX_ENTRIES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("openapi") / "seamless.db") as server:
        yield server


def described(server: Server) -> dict[str, Any]:
    response = server.ask("GET", path="/openapi.json")
    assert (response.status, response.headers["content-type"]) == (200, "application/json")
    document: dict[str, Any] = response.json()
    return document


def test_the_server_describes_itself(server: Server) -> None:
    document = described(server)
    assert document["openapi"] == "3.1.0"
    assert set(document["paths"]["/"]) == {"get", "put"}


def test_the_description_names_the_numbers_that_are_stored(server: Server) -> None:
    about = described(server)["info"]["description"]
    assert "doubles" in about
    assert f"integers with up to {MAX_DIGITS} digits" in about


def test_a_request_with_a_body_on_this_path_is_a_request_of_the_protocol(server: Server) -> None:
    response = server.ask("GET", {"type": "protocol"}, path="/openapi.json")
    assert response.text == '["seamless", "database", "2.1"]'
    put = {"type": "transformation", "checksum": checksum(1), "value": checksum(2)}
    assert server.ask("PUT", put, path="/openapi.json").text == "OK"


def test_every_request_type_is_described_with_its_fields(server: Server) -> None:
    schemas = described(server)["components"]["schemas"]
    tables = {"read": request_types.READS, "write": request_types.WRITES}
    assert set(schemas) == {f"{verb}_{kind}" for verb in tables for kind in tables[verb]}
    put = schemas["write_transformation"]
    assert put["required"] == ["type", "checksum", "value"]
    assert put["properties"]["checksum"]["pattern"] == "^[0-9a-fA-F]{64}$"
    assert schemas["read_irreproducible"]["required"] == ["type", "checksum"]
    assert all(schema["description"] for schema in schemas.values())
    fields = schemas["write_metadata"]["properties"]["value"]["properties"]["checksum_fields"]
    assert fields["items"] == {"type": "string", "minLength": 1}
    results = schemas["write_transformations"]["properties"]["value"]
    assert results["maxProperties"] == MAX_ENTRIES
    assert results["propertyNames"] == results["additionalProperties"] == put["properties"]["value"]
    records = schemas["write_metadatas"]["properties"]["value"]["additionalProperties"]
    assert records["required"] == ["result", "value"]
    assert records["properties"]["value"] == schemas["write_metadata"]["properties"]["value"]
    label = schemas["write_bucket_probe"]["properties"]["label"]
    assert label == {"type": "string", "minLength": 1}


def test_every_request_needs_a_body(server: Server) -> None:
    operations = described(server)["paths"]["/"].values()
    assert all(operation["requestBody"]["required"] is True for operation in operations)


def test_a_read_only_server_describes_no_writes(tmp_path: Path) -> None:
    Database(tmp_path / "seamless.db", writable=True).close()
    with Server(tmp_path / "seamless.db", writable=False) as server:
        document = described(server)
    assert set(document["paths"]["/"]) == {"get"}
    assert not any(name.startswith("write_") for name in document["components"]["schemas"])


def test_every_reference_resolves(server: Server) -> None:
    document = described(server)

    def follow(node: object) -> int:
        if isinstance(node, list):
            return sum(map(follow, node))
        if not isinstance(node, dict):
            return 0
        target: Any = document
        for step in node.get("$ref", "#").split("/")[1:]:
            target = target[step]
        return ("$ref" in node) + sum(map(follow, node.values()))

    assert follow(document) > 20


def test_token_schemes_are_described_if_tokens_are_required() -> None:
    document = json.loads(openapi.document(writable=True, secured=True))
    assert document["security"] == [{"bearer": []}, {"basic": []}]
    assert document["components"]["securitySchemes"] == {
        name: {"type": "http", "scheme": name} for name in ("bearer", "basic")
    }
    assert document["paths"]["/healthcheck"]["get"]["security"] == []
