"""What a client can ask: one function per request; what to send, and how to read the answer.

Pure; both faces of the client send what is made here.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar, cast

from seamless_database.errors import (
    ClientError,
    ConflictError,
    DatabaseError,
    ForbiddenError,
    ReadOnlyError,
    RequestError,
    UnauthorizedError,
    UnavailableError,
    UnknownKeyError,
)

T_co = TypeVar("T_co", covariant=True)
Object = dict[str, Any]

_MESSAGES: Mapping[int, Callable[[str], DatabaseError]] = {
    RequestError.status: RequestError,
    413: RequestError,
    UnauthorizedError.status: UnauthorizedError,
    ForbiddenError.status: lambda _text: ForbiddenError(),
    UnknownKeyError.status: UnknownKeyError,
    ReadOnlyError.status: lambda _text: ReadOnlyError(),
    ConflictError.status: ConflictError,
    UnavailableError.status: UnavailableError,
}


@dataclass(frozen=True, slots=True)
class Call(Generic[T_co]):
    """One request, and how its answer becomes a value."""

    method: Literal["GET", "PUT"]
    body: bytes
    read: Callable[[str], T_co]
    #: whether the answer "unknown key" is a value too, namely None
    may_miss: bool = False
    path: str = "/"

    def result(self, url: str, status: int, text: str) -> T_co:
        """Read an answer, or raise the error that it stands for."""
        if status == UnknownKeyError.status and self.may_miss:
            return cast("T_co", None)
        if status in _MESSAGES:
            raise _MESSAGES[status](text.removeprefix("ERROR: "))
        try:
            if status == 200:
                return self.read(text)
        except ValueError as error:
            raise ClientError(url, str(error)) from error
        raise ClientError(url, f"status {status}, {text[:200]!r}")


def healthcheck() -> Call[bool]:
    """Ask whether the server is there at all."""
    return Call("GET", b"", lambda text: text == "OK", path="/healthcheck")


def get_protocol() -> Call[list[str]]:
    """Ask for the name and version of the protocol: `["seamless", "database", "2.1"]`."""
    return Call("GET", _body("protocol"), json.loads)


def get_transformation(checksum: str) -> Call[str | None]:
    """Ask for the checksum of a transformation's result."""
    return _get("transformation", str, checksum=checksum)


def get_transformations(checksums: Sequence[str]) -> Call[dict[str, str] | None]:
    """Ask for the results of some transformations, as many as one request may name."""
    return _get("transformations", json.loads, checksums=checksums)


def put_transformation(checksum: str, result: str) -> Call[None]:
    """Store the result of a transformation; another result replaces the former, and its record."""
    return _put("transformation", checksum=checksum, value=result)


def get_rev_transformations(result: str) -> Call[list[str] | None]:
    """Ask which transformations have a result."""
    return _get("rev_transformations", json.loads, checksum=result)


def get_metadata(checksum: str) -> Call[Object | None]:
    """Ask for the execution record of a transformation."""
    return _get("metadata", json.loads, checksum=checksum)


def put_metadata(checksum: str, result: str, record: Mapping[str, Any]) -> Call[None]:
    """Store the execution record of a transformation, and its result if there is none yet."""
    return _put("metadata", checksum=checksum, result=result, value=record)


def get_irreproducible(checksum: str, result: str | None = None) -> Call[list[Object] | None]:
    """Ask for the contested results of a transformation, or for one of them."""
    return _get("irreproducible", json.loads, checksum=checksum, result=result)


def contest(checksum: str, result: str) -> Call[None]:
    """Tell that a result cannot be reproduced: it leaves the cache, its record goes with it."""
    return _put("irreproducible", checksum=checksum, result=result)


def get_buffer_info(checksum: str) -> Call[Object | None]:
    """Ask what is known of a buffer."""
    return _get("buffer_info", json.loads, checksum=checksum)


def get_buffer_infos(checksums: Sequence[str]) -> Call[dict[str, Object] | None]:
    """Ask what is known of some buffers, as many as one request may name."""
    return _get("buffer_infos", json.loads, checksums=checksums)


def put_buffer_info(checksum: str, info: Mapping[str, Any]) -> Call[None]:
    """Add to what is known of a buffer."""
    return _put("buffer_info", checksum=checksum, value=info)


def get_semantic_to_syntactic(
    checksum: str, celltype: str, subcelltype: str = ""
) -> Call[list[str] | None]:
    """Ask for the buffers that have a meaning under a cell type."""
    return _get(
        "semantic_to_syntactic",
        json.loads,
        checksum=checksum,
        celltype=celltype,
        subcelltype=subcelltype,
    )


def put_semantic_to_syntactic(
    checksum: str, celltype: str, subcelltype: str, syntactic: Sequence[str]
) -> Call[None]:
    """Add buffers that have a meaning under a cell type."""
    return _put(
        "semantic_to_syntactic",
        checksum=checksum,
        celltype=celltype,
        subcelltype=subcelltype,
        value=list(syntactic),
    )


def get_syntactic_to_semantic(
    checksum: str, celltype: str, subcelltype: str = ""
) -> Call[list[str] | None]:
    """Ask for the meanings of a buffer under a cell type."""
    return _get(
        "syntactic_to_semantic",
        json.loads,
        checksum=checksum,
        celltype=celltype,
        subcelltype=subcelltype,
    )


def get_expression(
    checksum: str, path: Sequence[str | int], celltype: str, target_celltype: str
) -> Call[str | None]:
    """Ask for the checksum of an expression's result."""
    return _get(
        "expression",
        str,
        checksum=checksum,
        path=list(path),
        celltype=celltype,
        target_celltype=target_celltype,
    )


def put_expression(
    checksum: str, path: Sequence[str | int], celltype: str, target_celltype: str, result: str
) -> Call[None]:
    """Store the result of an expression; another result replaces the former."""
    return _put(
        "expression",
        checksum=checksum,
        path=list(path),
        celltype=celltype,
        target_celltype=target_celltype,
        value=result,
    )


def get_rev_expression(result: str) -> Call[list[Object] | None]:
    """Ask which expressions have a result."""
    return _get("rev_expression", json.loads, checksum=result)


def get_bucket_probe(bucket_kind: str, label: str) -> Call[Object | None]:
    """Ask for the last probe of a node, an environment or a queue."""
    return _get("bucket_probe", json.loads, bucket_kind=bucket_kind, label=label)


def put_bucket_probe(
    bucket_kind: str,
    label: str,
    bucket_checksum: str,
    captured_at: str,
    freshness_tokens: Mapping[str, Any],
) -> Call[None]:
    """Store the last probe of a node, an environment or a queue."""
    return _put(
        "bucket_probe",
        bucket_kind=bucket_kind,
        label=label,
        bucket_checksum=bucket_checksum,
        captured_at=captured_at,
        freshness_tokens=freshness_tokens,
    )


def _get(kind: str, read: Callable[[str], T_co], **fields: object) -> Call[T_co | None]:
    return Call("GET", _body(kind, **fields), read, may_miss=True)


def _put(kind: str, **fields: object) -> Call[None]:
    return Call("PUT", _body(kind, **fields), lambda _text: None)


def _body(kind: str, **fields: object) -> bytes:
    try:
        return json.dumps({"type": kind, **fields}, default=_mapping, allow_nan=False).encode()
    except (TypeError, ValueError) as error:
        raise RequestError(f"a {kind} request cannot be sent: {error}") from error


def _mapping(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{value!r} has no JSON form")
