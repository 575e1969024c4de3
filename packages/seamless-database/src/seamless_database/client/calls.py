"""The requests of a client: one function per request type, with what to send and how to read.

These functions send nothing; both clients send what is made here. A checksum may be given as 64
hexadecimal digits, as 32 bytes, or as an object with a method `hex()`, such as `seamless.Checksum`.
Checksums are returned as 64 lower-case hexadecimal digits.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Generic, Literal, TypeVar, cast

from seamless_database.client import response_checks as checks
from seamless_database.client.checksum_argument import ChecksumLike, checksum_text
from seamless_database.client.response_checks import ERROR_PREFIX, Object
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

#: the errors of the rejected entries of a bulk write, by their keys
Rejections = dict[str, DatabaseError]
T_co = TypeVar("T_co", covariant=True)

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
    """One request, and how its response becomes a value."""

    method: Literal["GET", "PUT"]
    body: bytes
    read: Callable[[str], T_co]
    #: whether the status 404 means None
    may_miss: bool = False
    path: str = "/"
    #: whether the client must first have checked that the server is a seamless-database
    identified: bool = True
    #: whether the server may respond later than at once
    waits: bool = False
    #: the fields of a write
    fields: Mapping[str, object] = field(default_factory=dict)

    @property
    def entry(self) -> object:
        """The entry of a write in a bulk write: its fields besides `checksum`, or the only one."""
        fields = {name: value for name, value in self.fields.items() if name != "checksum"}
        return fields["value"] if len(fields) == 1 else fields

    def result(self, url: str, status: int, text: str) -> T_co:
        """Return the value of a response, or raise the error that it reports."""
        if status != 200 and text.startswith(ERROR_PREFIX):
            if status == UnknownKeyError.status and self.may_miss:
                return cast("T_co", None)
            message = text.removeprefix(ERROR_PREFIX)
            if status in _MESSAGES:
                raise _MESSAGES[status](message)
            raise ClientError(url, f"answered with status {status}: {message}")
        reason = ""
        if status == 200:
            try:
                return self.read(text)
            except ValueError as error:
                reason = f"; {error}"
        found = f"status {status}, {checks.describe(text)}{reason}"
        del text  # which may repeat the token of the request, from a traceback with variables
        if status >= 500:
            found += "; a proxy answers so while the server behind it is down"
        raise ClientError(url, f"answered, but is no seamless-database: {found}")


def healthcheck() -> Call[bool]:
    """Return True if the server works; raise `UnavailableError` while it says that it does not."""
    return Call("GET", b"", checks.healthy, path="/healthcheck", identified=False)


def get_protocol() -> Call[list[str]]:
    """Return the name and version of the protocol: `["seamless", "database", "2.1"]`."""
    return Call("GET", _body("protocol"), checks.protocol, identified=False)


def get_transformation(checksum: ChecksumLike) -> Call[str | None]:
    """Return the checksum of a transformation's result, or None if none is stored."""
    return _get("transformation", checks.checksum, checksum=checksum_text(checksum))


def get_transformations(checksums: Sequence[str]) -> Call[dict[str, str] | None]:
    """Return the stored results of at most 10,000 transformations."""
    return _get("transformations", checks.checksum_by_checksum, checksums=checksums)


def put_transformation(checksum: ChecksumLike, result: ChecksumLike) -> Call[None]:
    """Store the result of a transformation; another result replaces the former, and its record."""
    value = checksum_text(result, "result")
    return _put("transformation", checksum=checksum_text(checksum), value=value)


def put_transformations(results: Mapping[str, str]) -> Call[Rejections]:
    """Store the results of at most 1,000 transformations; returns the errors of those rejected."""
    return _put_many("transformations", results)


def get_rev_transformations(result: ChecksumLike) -> Call[list[str] | None]:
    """Return the transformations that have a result, or None if there are none."""
    return _get("rev_transformations", checks.checksums, checksum=checksum_text(result, "result"))


def get_metadata(checksum: ChecksumLike) -> Call[Object | None]:
    """Return the execution record of a transformation, or None if none is stored."""
    text = checksum_text(checksum)
    return _get("metadata", checks.execution_record(text), checksum=text)


def put_metadata(
    checksum: ChecksumLike, result: ChecksumLike, record: Mapping[str, Any]
) -> Call[None]:
    """Store the execution record of a transformation, and its result if there is none yet."""
    return _put(
        "metadata",
        checksum=checksum_text(checksum),
        result=checksum_text(result, "result"),
        value=record,
    )


def put_metadatas(records: Mapping[str, Mapping[str, Any]]) -> Call[Rejections]:
    """Store at most 1,000 execution records, each an object with its `result` and `value`."""
    return _put_many("metadatas", records)


def get_irreproducible(
    checksum: ChecksumLike, result: ChecksumLike | None = None
) -> Call[list[Object] | None]:
    """Return the irreproducible results of a transformation, or None if there are none.

    Each is an object with `checksum`, `result` and `metadata`. If `result` is given, only that
    result is returned.
    """
    return _get(
        "irreproducible",
        checks.irreproducible_results,
        checksum=checksum_text(checksum),
        result=None if result is None else checksum_text(result, "result"),
    )


def put_irreproducible(checksum: ChecksumLike, result: ChecksumLike) -> Call[None]:
    """Record that a result cannot be reproduced: it leaves the cache together with its record."""
    return _put(
        "irreproducible",
        checksum=checksum_text(checksum),
        result=checksum_text(result, "result"),
    )


def get_buffer_info(checksum: ChecksumLike) -> Call[Object | None]:
    """Return the info of a buffer, or None if none is stored."""
    return _get("buffer_info", checks.buffer_info, checksum=checksum_text(checksum))


def get_buffer_infos(checksums: Sequence[str]) -> Call[dict[str, Object] | None]:
    """Return the info of at most 10,000 buffers."""
    return _get("buffer_infos", checks.buffer_info_by_checksum, checksums=checksums)


def put_buffer_info(checksum: ChecksumLike, info: Mapping[str, Any]) -> Call[None]:
    """Add to the info of a buffer."""
    return _put("buffer_info", checksum=checksum_text(checksum), value=info)


def put_buffer_infos(infos: Mapping[str, Mapping[str, Any]]) -> Call[Rejections]:
    """Add to the info of at most 1,000 buffers; returns the errors of those rejected."""
    return _put_many("buffer_infos", infos)


def get_semantic_to_syntactic(
    checksum: ChecksumLike, celltype: str, subcelltype: str = ""
) -> Call[list[str] | None]:
    """Return the buffers that have a meaning under a cell type, or None if there are none."""
    return _get(
        "semantic_to_syntactic",
        checks.checksums,
        checksum=checksum_text(checksum),
        celltype=celltype,
        subcelltype=subcelltype,
    )


def put_semantic_to_syntactic(
    checksum: ChecksumLike, celltype: str, subcelltype: str, syntactic: Iterable[ChecksumLike]
) -> Call[None]:
    """Add buffers that have a meaning under a cell type."""
    value = [checksum_text(item, f"syntactic[{index}]") for index, item in enumerate(syntactic)]
    return _put(
        "semantic_to_syntactic",
        checksum=checksum_text(checksum),
        celltype=celltype,
        subcelltype=subcelltype,
        value=value,
    )


def get_syntactic_to_semantic(
    checksum: ChecksumLike, celltype: str, subcelltype: str = ""
) -> Call[list[str] | None]:
    """Return the meanings of a buffer under a cell type, or None if there are none."""
    return _get(
        "syntactic_to_semantic",
        checks.checksums,
        checksum=checksum_text(checksum),
        celltype=celltype,
        subcelltype=subcelltype,
    )


def get_expression(
    checksum: ChecksumLike, path: Sequence[str | int], celltype: str, target_celltype: str
) -> Call[str | None]:
    """Return the checksum of an expression's result, or None if none is stored."""
    return _get(
        "expression",
        checks.checksum,
        checksum=checksum_text(checksum),
        path=list(path),
        celltype=celltype,
        target_celltype=target_celltype,
    )


def put_expression(
    checksum: ChecksumLike,
    path: Sequence[str | int],
    celltype: str,
    target_celltype: str,
    result: ChecksumLike,
) -> Call[None]:
    """Store the result of an expression; another result replaces the former."""
    return _put(
        "expression",
        checksum=checksum_text(checksum),
        path=list(path),
        celltype=celltype,
        target_celltype=target_celltype,
        value=checksum_text(result, "result"),
    )


def get_rev_expression(result: ChecksumLike) -> Call[list[Object] | None]:
    """Return the expressions that have a result, or None if there are none.

    Each is an object with `checksum`, `path`, `celltype`, `target_celltype` and `result`.
    """
    return _get("rev_expression", checks.expressions, checksum=checksum_text(result, "result"))


def get_claim(
    checksum: ChecksumLike, wait: float = 0.0, holder: str | None = None
) -> Call[Object | None]:
    """Return which worker computes a transformation, or its result; None if no worker does.

    The object holds `result`; or `holder`, `since`, and the `remaining` seconds. While another than
    `holder` has the claim, the server responds after `wait` seconds, which must be less than the
    timeout of the client.
    """
    text = checksum_text(checksum)
    call = _get("claim", checks.claim, checksum=text, wait=wait, holder=holder)
    return replace(call, waits=wait > 0)


def put_claim(checksum: ChecksumLike, holder: str, seconds: float) -> Call[None]:
    """Claim a transformation for some seconds, renew the claim, or end it with 0 seconds.

    Nothing changes if another worker has the claim, or if there is a result.
    """
    return _put("claim", checksum=checksum_text(checksum), holder=holder, seconds=seconds)


def get_bucket_probe(bucket_kind: str, label: str) -> Call[Object | None]:
    """Return the last probe of a node, an environment or a queue, or None if none is stored."""
    return _get("bucket_probe", checks.bucket_probe, bucket_kind=bucket_kind, label=label)


def put_bucket_probe(
    bucket_kind: str,
    label: str,
    bucket_checksum: ChecksumLike,
    captured_at: str,
    freshness_tokens: Mapping[str, Any],
) -> Call[None]:
    """Store the last probe of a node, an environment or a queue."""
    return _put(
        "bucket_probe",
        bucket_kind=bucket_kind,
        label=label,
        bucket_checksum=checksum_text(bucket_checksum, "bucket_checksum"),
        captured_at=captured_at,
        freshness_tokens=freshness_tokens,
    )


def _get(kind: str, read: Callable[[str], T_co], **fields: object) -> Call[T_co | None]:
    return Call("GET", _body(kind, **fields), read, may_miss=True)


def _put(kind: str, **fields: object) -> Call[None]:
    return Call("PUT", _body(kind, **fields), checks.stored, fields=fields)


def _put_many(kind: str, entries: Mapping[str, object]) -> Call[Rejections]:
    read = checks.outcomes(entries)

    def rejections(text: str) -> Rejections:
        return {
            key: _rejection(outcome["status"], outcome["error"])
            for key, outcome in read(text).items()
            if isinstance(outcome, dict)
        }

    return Call("PUT", _body(kind, value=entries), rejections)


def _rejection(status: int, message: str) -> DatabaseError:
    if status not in _MESSAGES:
        raise ValueError(f"an entry has the unknown status {status}")
    return _MESSAGES[status](message)


def _body(kind: str, **fields: object) -> bytes:
    try:
        return _ENCODER.encode({"type": kind, **fields}).encode()
    except (TypeError, ValueError) as error:
        raise RequestError(f"a {kind} request cannot be sent: {error}") from None


def _json_form(value: object) -> object:
    """Convert a mapping or a checksum inside a record to a type that json can write."""
    if isinstance(value, Mapping):
        return dict(value)
    if hasattr(value, "hex") and not isinstance(value, bytes | bytearray | memoryview):
        return checksum_text(value, type(value).__name__)
    raise TypeError(f"{value!r} has no JSON form")


#: made once: making it takes as long as writing a small request
_ENCODER = json.JSONEncoder(default=_json_form, allow_nan=False)
