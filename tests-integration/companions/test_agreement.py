"""Core and database, as installed from their wheels, mean the same by the same words."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from companions.sandbox import Sandbox
from database_server import Server

SCRIPT = """\
import json, sys
from seamless import Buffer, Checksum
from seamless.checksum.buffer_facts import compute_buffer_info
from seamless.checksum.buffer_info import BufferInfo
from seamless_database.client import DatabaseClient
from seamless_database.errors import DatabaseError

SPELLINGS = ["ab" * 32, "AB" * 32, "ab" * 31, "a" * 63, "ab" * 33, "zz" * 32, "", "\\u0663" * 64]
VALUES = {
    "binary": [1.5, 2.5], "mixed": [1, {"a": 2}], "text": "t", "python": "a = 1",
    "ipython": "a = 1", "plain": {"a": 1}, "yaml": "a: 1", "str": "s", "bytes": b"b", "int": 1,
    "float": 1.5, "bool": True, "checksum": "ab" * 32,
}

def accepted(make, error):
    try:
        make()
    except error:
        return False
    return True

result = "cd" * 32
with DatabaseClient(sys.argv[1]) as client:
    spellings = [
        [
            accepted(lambda: Checksum(text), ValueError),
            accepted(lambda: client.put_transformation(text, result), DatabaseError),
        ]
        for text in SPELLINGS
    ]
    facts = {}
    for celltype, value in VALUES.items():
        if celltype == "binary":
            import numpy
            value = numpy.array(value)
        buffer = Buffer(value, celltype)
        checksum = buffer.get_checksum().hex()
        info = compute_buffer_info(buffer.content, celltype).as_dict()
        client.put_buffer_info(checksum, info)
        stored = BufferInfo(checksum, client.get_buffer_info(checksum)).as_dict()
        client.put_expression(checksum, [], celltype, "plain", result)
        client.put_expression(checksum, [], "mixed", celltype, result)
        expressions = [
            client.get_expression(checksum, [], celltype, "plain"),
            client.get_expression(checksum, [], "mixed", celltype),
        ]
        facts[celltype] = [stored == info, expressions == [result] * 2]
    protocol = client.get_protocol()
print(json.dumps({"spellings": spellings, "facts": facts, "protocol": protocol}))
"""
CELLTYPES = [
    "binary",
    "mixed",
    "text",
    "python",
    "ipython",
    "plain",
    "yaml",
    "str",
    "bytes",
    "int",
    "float",
    "bool",
    "checksum",
]


@pytest.fixture(scope="module")
def found(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    class WheelServer(Server):
        command = (str(sandbox.environment.commands / "seamless-database"),)

    folder: Path = tmp_path_factory.mktemp("agreement")
    script = folder / "script.py"
    script.write_text(SCRIPT)
    with WheelServer(folder / "seamless.db") as server:
        run = sandbox.run("python", script, server.url, cwd=folder)
    content: dict[str, Any] = json.loads(run.out)
    return content


def test_both_accept_the_same_spellings_of_a_checksum(found: dict[str, Any]) -> None:
    assert found["spellings"] == [[True, True]] * 2 + [[False, False]] * 6


def test_the_database_keeps_what_core_knows_of_a_buffer_of_each_celltype(
    found: dict[str, Any],
) -> None:
    assert {celltype: kept for celltype, (kept, _) in found["facts"].items()} == dict.fromkeys(
        CELLTYPES, True
    )


def test_the_database_knows_expressions_over_each_celltype(found: dict[str, Any]) -> None:
    assert {celltype: known for celltype, (_, known) in found["facts"].items()} == dict.fromkeys(
        CELLTYPES, True
    )


def test_the_server_speaks_the_protocol_that_the_client_expects(found: dict[str, Any]) -> None:
    assert found["protocol"] == ["seamless", "database", "2.1"]
