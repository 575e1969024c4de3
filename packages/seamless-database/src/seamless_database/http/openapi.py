"""The protocol as an OpenAPI document, generated from the tables of request types and errors."""

from __future__ import annotations

import inspect
import json
from typing import TYPE_CHECKING, Any

from seamless_database.errors import (
    ConflictError,
    DatabaseError,
    ForbiddenError,
    ReadOnlyError,
    RequestError,
    RequestTooLargeError,
    UnauthorizedError,
    UnavailableError,
    UnknownKeyError,
)
from seamless_database.protocol.request import PROTOCOL_VERSION
from seamless_database.request_types import READS, WRITES
from seamless_database.request_types.bulk_write import BulkWrite

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from seamless_database.protocol.field_types import FieldSpecs
    from seamless_database.request_types.base import ReadRequest, WriteRequest

Object = dict[str, Any]
PATH = "/openapi.json"

_ABOUT = """\
The computation cache of Seamless. A request is a JSON object with a `type`, in the body of GET \
(read) or PUT (write). It may be sent to any path but `/healthcheck`; a GET of `/openapi.json` \
with a body is such a request, too. Fields that are not named here are ignored. Answers are text: \
one checksum is bare, everything else is JSON. Numbers with a fraction or an exponent are kept as \
doubles, integers with up to 4300 digits; records are compared by these values."""
_READING: tuple[type[DatabaseError], ...] = (
    RequestError,
    RequestTooLargeError,
    UnauthorizedError,
    UnknownKeyError,
    UnavailableError,
)
_WRITING = (*_READING, ForbiddenError, ReadOnlyError, ConflictError)


def document(*, writable: bool, secured: bool) -> str:
    """Describe a server as JSON text."""
    root: Object = {
        "get": _operation("read", READS, _READING),
        **({"put": _operation("write", WRITES, _WRITING)} if writable else {}),
    }
    root_object: Object = {
        "openapi": "3.1.0",
        "info": {"title": "seamless-database", "version": PROTOCOL_VERSION, "description": _ABOUT},
        "paths": {
            "/": root,
            "/healthcheck": {"get": _healthcheck()},
            PATH: {"get": _without_body("openapi", "application/json", {"type": "object"})},
        },
        "components": {
            "schemas": {
                **dict(_schemas("read", READS)),
                **(dict(_schemas("write", WRITES)) if writable else {}),
            },
            "responses": {_name(error): _response(error) for error in _WRITING},
        },
    }
    if secured:
        schemes = {name: {"type": "http", "scheme": name} for name in ("bearer", "basic")}
        root_object["components"]["securitySchemes"] = schemes
        root_object["security"] = [{name: []} for name in schemes]
        root_object["paths"]["/healthcheck"]["get"]["security"] = []
    return json.dumps(root_object)


def _operation(
    verb: str,
    table: Iterable[str],
    errors: tuple[type[DatabaseError], ...],
) -> Object:
    one_of = [{"$ref": f"#/components/schemas/{verb}_{kind}"} for kind in table]
    return {
        "operationId": verb,
        "summary": f"{verb.capitalize()} a record, by the `type` of the request",
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": {"oneOf": one_of}}},
        },
        "responses": {
            "200": {"description": "done", "content": _content("text/plain", {"type": "string"})},
            **{
                str(error.status): {"$ref": f"#/components/responses/{_name(error)}"}
                for error in errors
            },
        },
    }


def _schemas(
    verb: str, table: Mapping[str, type[ReadRequest | WriteRequest | BulkWrite]]
) -> Iterator[tuple[str, Object]]:
    for kind, request in table.items():
        # the docstrings describe the purpose, and what is returned or stored
        method = request.response if issubclass(request, BulkWrite) else request.run
        about = f"{inspect.getdoc(request)} {inspect.getdoc(method)}"
        yield f"{verb}_{kind}", _request(kind, request.field_types, about)


def _request(kind: str, field_types: FieldSpecs, about: str) -> Object:
    return {
        "type": "object",
        "description": about,
        "properties": {
            "type": {"const": kind},
            **{name: dict(field_type.schema) for name, field_type in field_types.items()},
        },
        "required": [
            "type",
            *(name for name, field_type in field_types.items() if field_type.required),
        ],
    }


def _healthcheck() -> Object:
    found = _without_body("healthcheck", "text/plain", {"const": "OK"})
    unavailable = {"$ref": f"#/components/responses/{_name(UnavailableError)}"}
    return {**found, "responses": {**found["responses"], "503": unavailable}}


def _without_body(name: str, media: str, schema: Object) -> Object:
    return {
        "operationId": name,
        "responses": {"200": {"description": "if all is well", "content": _content(media, schema)}},
    }


def _response(error: type[DatabaseError]) -> Object:
    about = (inspect.getdoc(error) or "").splitlines()[0]
    schema = {"type": "string", "pattern": "^ERROR: "}
    return {"description": about, "content": _content("text/plain", schema)}


def _content(media: str, schema: Object) -> Object:
    return {media: {"schema": schema}}


def _name(error: type[DatabaseError]) -> str:
    return error.__name__.removesuffix("Error")
