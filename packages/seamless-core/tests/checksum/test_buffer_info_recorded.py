"""The conclusions from properties against the record of the reference installation."""

from __future__ import annotations

import builtins
from typing import Any

import pytest
from recorded_vectors import load_vectors, vector_reader

from seamless import Buffer, Checksum
from seamless.checksum import conversion
from seamless.checksum.buffer_info import (
    BufferInfo,
    convert_from_buffer_info,
    validate_buffer_info,
    verify_buffer_info,
)

RECORDS = load_vectors("buffer_info.jsonl")
READER = vector_reader()


def decoded(node: Any) -> Any:
    return READER.decode(node, checksum=Checksum, buffer=Buffer)


def outcome(record: dict[str, Any]) -> Any:
    params = {key: decoded(node) for key, node in record["params"].items()}
    info = BufferInfo(record["checksum"], params)
    if record["op"] == "construct":
        return info.as_dict()
    if record["op"] == "convert":
        return convert_from_buffer_info(info, record["celltype"], record["target"])
    check = {"validate": validate_buffer_info, "verify": verify_buffer_info}[record["op"]]
    return check(info, record["celltype"])


def expected_error(name: str) -> type[Exception]:
    found: type[Exception] = getattr(conversion, name, None) or getattr(builtins, name)
    return found


@pytest.mark.parametrize("record", RECORDS, ids=[record["id"] for record in RECORDS])
def test_the_result_is_the_recorded_one(record: dict[str, Any]) -> None:
    if "accept_value" in record:
        assert READER.same(outcome(record), decoded(record["accept_value"]))
    elif record.get("accept") == "any":
        outcome(record)
    elif "error" in record:
        with pytest.raises(expected_error(record["error"])):
            outcome(record)
    else:
        assert READER.same(outcome(record), decoded(record["result"]))
