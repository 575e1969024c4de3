"""Execution records of minimal and full size, and results that become irreproducible."""

from __future__ import annotations

import json
from typing import Any

import pytest
from companions.sandbox import Project, Sandbox

#: runs a function, then asks the published client what the database says of it
SCRIPT = """\
    import asyncio, json, sys
    import seamless
    import seamless.config
    seamless.config.init()
    from seamless.transformer import delayed
    from seamless_remote import database_remote as client

    def double(x):
        with open(MARK, "a") as file:
            file.write("double\\n")
        return 2 * x

    async def facts(transformation, result):
        record = await client.get_execution_record(transformation)
        labels = record["freshness"]["required_bucket_labels"] if "freshness" in record else {}
        return {
            "transformation": transformation.hex(),
            "result": result.hex(),
            "record": record,
            "probes": {kind: await client.get_bucket_probe(kind, labels[kind]) for kind in labels},
        }

    transformation = delayed(double)(21)
    transformation.run()
    names = (transformation.transformation_checksum, transformation.result_checksum)
    print(json.dumps(asyncio.run(facts(*names))))
    seamless.close()
"""
PUT_IRREPRODUCIBLE = """\
    import asyncio, json, sys
    import seamless.config
    seamless.config.init()
    from seamless import Checksum
    from seamless_remote import database_remote as client

    async def put_irreproducible(transformation, result):
        undone = await client.undo_transformation_result(transformation, result)
        left = await client.get_transformation_result(transformation)
        return undone, left, await client.get_irreproducible_records(transformation)

    print(json.dumps(asyncio.run(put_irreproducible(*map(Checksum, sys.argv[1:])))))
    seamless.close()
"""


def facts(project: Project) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(project.python(project.script("script.py", SCRIPT)))
    return read


@pytest.fixture
def project(sandbox: Sandbox, request: pytest.FixtureRequest) -> Project:
    return sandbox.project(request.node.name, "execution: process")


def test_a_minimal_record_is_read_back(project: Project) -> None:
    found = facts(project)
    record = found["record"]

    assert record["schema_version"] == 1
    assert record["tf_checksum"] == found["transformation"]
    assert record["result_checksum"] == found["result"]
    assert record["execution_mode"] == "process"
    assert isinstance(record["wall_time_seconds"], float)
    assert record["memory_peak_bytes"] > 2**20
    assert "freshness" not in record


def test_a_full_record_names_probes_that_are_read_back(sandbox: Sandbox) -> None:
    project = sandbox.project("full", "execution: process", "record: true")
    project.run("seamless-probe", "-y", "echo probed")
    found = facts(project)
    freshness = found["record"]["freshness"]

    assert set(found["probes"]) == {"node", "environment", "node_env"}
    for kind, probe in found["probes"].items():
        assert probe["bucket_checksum"] == freshness["required_bucket_checksums"][kind]
        assert probe["freshness_tokens"] == freshness["live_tokens"][kind]
        assert found["record"][kind] == probe["bucket_checksum"]


def test_an_irreproducible_result_keeps_its_record(project: Project) -> None:
    found = facts(project)
    names = (found["transformation"], found["result"])
    put_irreproducible = project.script("put_irreproducible.py", PUT_IRREPRODUCIBLE)
    undone, left, (irreproducible,) = json.loads(project.python(put_irreproducible, *names))

    assert undone is True
    assert left is None
    assert (irreproducible["checksum"], irreproducible["result"]) == names
    assert irreproducible["metadata"] == found["record"]
    assert project.executions() == 1
