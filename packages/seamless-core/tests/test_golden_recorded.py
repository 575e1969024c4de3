"""Writing and reading compared with the record of the reference installation."""

from __future__ import annotations

import builtins
import hashlib
import json
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from recorded_vectors import load_vectors, vector_reader

from seamless import Buffer, Checksum, LossyValueWarning
from seamless.checksum.json_ import json_dumps_bytes
from seamless.util.mixed.get_form import get_form

if TYPE_CHECKING:
    from collections.abc import Callable

load_vectors("serialize.jsonl")  # skips the module where there is no record
READER = vector_reader()
CALCULATED_HERE: dict[str, Callable[[Any], Any]] = {
    "json_dumps_bytes": json_dumps_bytes,
    "Checksum": lambda argument: Checksum(argument).hex(),
}


def vectors(file: str) -> pytest.MarkDecorator:
    """Parametrize over a file, without the vectors that accept any outcome."""
    records = [record for record in load_vectors(file) if binds(record)]
    return pytest.mark.parametrize("record", records, ids=[record["id"] for record in records])


def binds(record: dict[str, Any]) -> bool:
    if record.get("accept") == "any":
        return False
    if "function" in record and record["function"] not in CALCULATED_HERE:
        return False
    numpy: int = record.get("env", {}).get("numpy", 0)
    return int(np.__version__.split(".", maxsplit=1)[0]) >= numpy


def decoded(node: Any) -> Any:
    return READER.decode(node, checksum=Checksum, buffer=Buffer)


def expected_error(record: dict[str, Any]) -> Any:
    # if the class was an accident of the reference, ours is one of these two
    return (TypeError, ValueError) if record.get("weird") else getattr(builtins, record["error"])


@pytest.fixture(autouse=True)
def _lossy_values_may_warn() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LossyValueWarning)
        yield


@vectors("serialize.jsonl")
def test_a_value_gives_the_recorded_bytes(record: dict[str, Any]) -> None:
    value = decoded(record["value"])
    if "error" in record:
        with pytest.raises(expected_error(record)):
            Buffer(value, record["celltype"])
        return
    buffer = Buffer(value, record["celltype"])

    assert type(buffer.content) is bytes
    assert len(buffer) == record["length"]
    assert buffer.content.hex() == record.get("content_hex", buffer.content.hex())
    assert buffer.get_checksum().hex() == record["sha256"]


@vectors("parse.jsonl")
def test_bytes_give_the_recorded_value(record: dict[str, Any]) -> None:
    buffer = Buffer(bytes.fromhex(record["content_hex"]))
    if "accept_value" in record:
        assert READER.same(buffer.get_value(record["celltype"]), decoded(record["accept_value"]))
    elif "error" in record:
        with pytest.raises(expected_error(record)):
            buffer.get_value(record["celltype"])
    else:
        assert READER.same(buffer.get_value(record["celltype"]), decoded(record["value"]))


@vectors("form.jsonl")
def test_a_value_has_the_recorded_form(record: dict[str, Any]) -> None:
    value = decoded(record["value"])
    if "error" in record:
        with pytest.raises(expected_error(record)):
            get_form(value)
        return
    storage, form = get_form(value)

    assert storage == record["storage"]
    assert json.dumps(form) == json.dumps(record["form"])


@vectors("calc.jsonl")
def test_a_calculation_gives_the_recorded_result(record: dict[str, Any]) -> None:
    function = CALCULATED_HERE[record["function"]]
    argument = decoded(record["argument"])
    if "error" in record:
        with pytest.raises(expected_error(record)):
            function(argument)
    elif "sha256" in record:
        assert hashlib.sha256(function(argument)).hexdigest() == record["sha256"]
    else:
        assert function(argument) == record["result"]
