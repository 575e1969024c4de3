"""The requests of the database suite, as the bytes that go over the wire."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


def checksum(number: int, kind: str = "tf") -> str:
    """A checksum of its own for each number."""
    return hashlib.sha256(f"{kind}{number}".encode()).hexdigest()


def record(number: int) -> dict[str, Any]:
    """An execution record of the usual size."""
    return {
        "schema_version": 1,
        "tf_checksum": checksum(number),
        "result_checksum": checksum(number, "result"),
        "seamless_version": "0.2.0",
        "execution_mode": "process",
        "remote_target": None,
        "wall_time_seconds": 1.25 + number,
        "cpu_time_user_seconds": 1.0,
        "cpu_time_system_seconds": 0.1,
        "memory_peak_bytes": 123456789,
        "gpu_memory_peak_bytes": None,
    }


def request(method: str, body: bytes) -> bytes:
    """Write one request."""
    head = f"{method} / HTTP/1.1\r\nHost: bench\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def get(kind: str, number: int) -> bytes:
    """Ask for what is stored under a checksum."""
    return get_checksum(kind, checksum(number))


def get_checksum(kind: str, key: str) -> bytes:
    """Ask for what is stored under this checksum."""
    return request("GET", _body(kind, checksum=key))


def put_result(number: int) -> bytes:
    """Store the result of a transformation."""
    value = checksum(number, "result")
    return request("PUT", _body("transformation", checksum=checksum(number), value=value))


def put_record(number: int) -> bytes:
    """Store an execution record, and its result with it."""
    result = checksum(number, "result")
    body = _body("metadata", checksum=checksum(number), result=result, value=record(number))
    return request("PUT", body)


def get_many(kind: str, numbers: Iterable[int]) -> bytes:
    """Ask for what is stored under many checksums at once."""
    return request("GET", _body(kind, checksums=[checksum(number) for number in numbers]))


def put_many(kind: str, numbers: Iterable[int]) -> bytes:
    """Store results, buffer info or records under many checksums at once."""
    entries: dict[str, Callable[[int], Any]] = {
        "transformations": lambda number: checksum(number, "result"),
        "buffer_infos": lambda number: {"length": number},
        "metadatas": lambda number: {"result": checksum(number, "result"), "value": record(number)},
    }
    value = {checksum(number): entries[kind](number) for number in numbers}
    return request("PUT", _body(kind, value=value))


def put_info(number: int) -> bytes:
    """Store what is known of a buffer."""
    body = _body("buffer_info", checksum=checksum(number), value={"length": number})
    return request("PUT", body)


def redis_command(*words: str) -> bytes:
    """Write a command of Redis."""
    parts = [f"${len(word)}\r\n{word}\r\n" for word in words]
    return f"*{len(words)}\r\n{''.join(parts)}".encode()


def _body(kind: str, **fields: Any) -> bytes:
    return json.dumps({"type": kind, **fields}).encode()
