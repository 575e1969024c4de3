"""The `calculate_…` functions against the record of the reference installation."""

from __future__ import annotations

import builtins
from typing import TYPE_CHECKING, Any

import pytest
from recorded_vectors import load_vectors, vector_reader

from seamless import Buffer, Checksum
from seamless.checksum import calculate_checksum as module

if TYPE_CHECKING:
    from pathlib import Path

RECORDS = [
    record for record in load_vectors("calc.jsonl") if record["function"].startswith("calculate_")
]


def argument_of(record: dict[str, Any], folder: Path) -> Any:
    """Return the recorded argument: a value, or the path of a file."""
    node = record["argument"]
    decode = vector_reader().decode
    if record["function"] != "calculate_file_checksum":
        return decode(node, checksum=Checksum, buffer=Buffer)
    if "directory" in node:
        return str(folder)
    path = folder / "file"
    if "file" in node:
        path.write_bytes(decode(node["file"]))
    return str(path)


@pytest.mark.parametrize("record", RECORDS, ids=[record["id"] for record in RECORDS])
def test_a_function_returns_the_recorded_value(record: dict[str, Any], tmp_path: Path) -> None:
    function = getattr(module, record["function"])
    argument = argument_of(record, tmp_path)
    if "error" in record:
        with pytest.raises(getattr(builtins, record["error"])):
            function(argument)
    else:
        assert function(argument) == record["result"]
