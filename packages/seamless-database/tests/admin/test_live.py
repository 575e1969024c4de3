"""`live`: every checksum that a database still needs, once and in order."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from admin_samples import (
    admin,
    assert_one_line,
    buffer_info,
    expression,
    metadata,
    probe,
    put,
    put_irreproducible,
    run_json,
    semantic_to_syntactic,
    sql,
    transformation,
)
from database_samples import checksum

from seamless import Buffer, remote

ENVIRONMENT = checksum("environment")


@pytest.fixture(autouse=True)
def _stores_as_found() -> Iterator[None]:
    """Set back the stores of this process, which the command and the tests configure."""
    yield
    remote.configure()


def sums(*names: object) -> list[str]:
    return sorted(map(checksum, names))


def live(file: Path | str, *options: str | Path) -> list[str]:
    """Return the checksums of the list, and check its first and last lines."""
    done = admin("live", file, *options)
    assert (done.status, done.err) == (0, "")
    first, *lines, last = done.out.splitlines()
    checksums = [line for line in lines if not line.startswith("#")]
    begun = datetime.fromisoformat(first.removeprefix("# begin: ").replace("Z", "+00:00"))
    assert timedelta(0) <= datetime.now(timezone.utc) - begun < timedelta(minutes=5)
    assert last == f"# end: {len(checksums)} checksums"
    return checksums


@pytest.fixture
def file(where: Path | str) -> Path | str:
    return put(
        where,
        metadata(1, "a", environment_checksum=ENVIRONMENT),
        transformation(2, "a"),
        transformation(3, "b"),
        put_irreproducible(3, "b"),
        buffer_info("only described", length=5),
        expression("c", "d"),
        semantic_to_syntactic("e", "f"),
        probe("node", "g", "noon"),
        {"type": "claim", "checksum": checksum("claimed"), "holder": "h", "seconds": 9},
    )


def test_the_checksums_of_all_results_are_listed_in_order(file: Path | str) -> None:
    expected = sums(1, 2, 3, *"abcdefg", "environment")
    assert live(file) == expected
    found = run_json("live", file)
    assert found["checksums"] == expected
    assert found["count"] == len(expected)
    assert found["transformations_without_buffer"] is None


def test_what_was_pruned_is_not_listed(file: Path | str) -> None:
    admin("prune", file, "--irreproducible")
    admin("prune", file, "--without-record")
    assert live(file) == sums(1, "a", "c", "d", "e", "f", "g", "environment")


def test_an_empty_database_needs_nothing(where: Path | str) -> None:
    assert live(put(where)) == []


def test_malformed_checksums_are_left_out(file: Path | str) -> None:
    sql(file, "UPDATE expression SET result = 'x'")
    assert checksum("c") in live(file)
    assert "x" not in live(file)


@pytest.mark.parametrize("value", ["'x'", "x'ff'"], ids=["a text", "bytes"])
def test_a_malformed_transformation_has_no_inputs(
    tmp_path: Path, buffers: Path, value: str
) -> None:
    file = put(tmp_path / "seamless.db", transformation(1, "a"), transformation(2, "b"))
    buffers.mkdir(exist_ok=True)
    sql(file, f"UPDATE transformation SET checksum = {value} WHERE checksum = '{checksum(1)}'")
    assert live(file, "--buffers", buffers) == sums(2, "a", "b")


def test_many_checksums_are_listed_once_each(tmp_path: Path) -> None:
    file = put(tmp_path / "seamless.db")
    numbers = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)"
    sql(
        file,
        f"INSERT INTO transformation (checksum, result) {numbers} "
        "SELECT printf('%064x', (i * 7919) % 20011), printf('%064x', i % 100) FROM n",
    )
    found = live(file)
    assert found == sorted(set(found))
    assert len(found) > 19_900


@pytest.fixture
def buffers(tmp_path: Path) -> Path:
    """A buffer directory, which the tests write to."""
    directory = tmp_path / "buffers"
    remote.configure(directory=str(directory), read_servers=[], write_servers=[])
    return directory


def write(value: object, celltype: str) -> str:
    buffer = Buffer(value, celltype)
    asyncio.run(buffer.write())
    return buffer.get_checksum().hex()


def test_inputs_are_read_from_the_buffers_of_transformations(tmp_path: Path, buffers: Path) -> None:
    code, value, part = write("1", "python"), write(2, "int"), checksum("part")
    folder = write({"file": part}, "plain")
    definition = {
        "__language__": "python",
        "__env__": ENVIRONMENT,
        "__output__": ["result", "mixed", None],
        "code": ["python", None, code],
        "x": ["int", None, value],
        "files": ["deepcell", None, folder],
        "number": 5,
        "strange": [["deepcell"], {}, checksum("strange")],
    }
    job = write(definition, "plain")
    other = write("no definition", "plain")
    rows = [
        {"type": "transformation", "checksum": key, "value": checksum("a")}
        for key in (job, other, checksum("without buffer"))
    ]
    file = put(tmp_path / "seamless.db", *rows)
    named = {job, other, checksum("without buffer"), checksum("a")}
    assert set(live(file)) == named
    assert set(live(file, "--buffers", buffers)) == named | {
        code, value, folder, part, ENVIRONMENT, checksum("strange"),
    }  # fmt: skip
    assert run_json("live", file, "--buffers", buffers)["transformations_without_buffer"] == 1
    assert "whose inputs are not listed: 1\n" in admin("live", file, "--buffers", buffers).out


def test_what_a_deep_result_holds_is_listed(tmp_path: Path, buffers: Path) -> None:
    result = write({"file": checksum("part")}, "plain")
    job = write({"__output__": ["result", "folder", None]}, "plain")
    row = {"type": "transformation", "checksum": job, "value": result}
    file = put(tmp_path / "seamless.db", row)
    assert set(live(file, "--buffers", buffers)) == {job, result, checksum("part")}
    words: list[str | Path] = [file, tmp_path / "target", "--closure", result, "--buffers", buffers]
    done = admin("export", *words, "--json")
    assert json.loads(done.out)["buffers"]["missing"] == [checksum("part")]


def test_garbage_collection_keeps_what_is_listed(tmp_path: Path, buffers: Path) -> None:
    code, garbage = write("1", "python"), write("garbage", "text")
    job, result = write({"code": ["python", None, code]}, "plain"), write(1, "int")
    file = put(
        tmp_path / "seamless.db",
        {"type": "transformation", "checksum": job, "value": result},
    )
    listed = tmp_path / "live"
    listed.write_text(admin("live", file, "--buffers", buffers).out)
    words = [sys.executable, "-m", "seamless.cli.buffers", "gc", str(buffers), str(listed)]
    for path in buffers.rglob("*"):
        if path.is_file():
            os.utime(path, (1, 1))
    done = subprocess.run(
        [*words, "--older-than", "0"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    left = {path.name for path in buffers.rglob("*") if re.fullmatch("[0-9a-f]{64}", path.name)}
    assert left == {code, job, result}
    assert garbage not in left


def test_a_directory_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    file = put(tmp_path / "seamless.db", transformation(1, 2))
    done = admin("live", file, "--buffers", tmp_path / "absent")
    assert_one_line(done.status, done.err, "absent", "no such directory")
    assert done.out == ""
