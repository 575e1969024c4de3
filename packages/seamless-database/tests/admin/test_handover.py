"""A computation is handed over in a folder, with all its buffers, and checked."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from admin_samples import admin, assert_one_line, metadata, put, rows, run_json, transformation
from database_samples import checksum

from seamless import Buffer, Checksum, remote


@pytest.fixture(autouse=True)
def _stores_as_found() -> Iterator[None]:
    """Set back the stores of this process, which the command and the tests configure."""
    yield
    remote.configure()


class Chain(NamedTuple):
    """A computation of two steps, and another one."""

    file: Path
    buffers: Path
    code: str
    value: str
    steps: tuple[str, str]
    results: tuple[str, str]


def write(value: object, celltype: str) -> str:
    buffer = Buffer(value, celltype)
    asyncio.run(buffer.write())
    return buffer.get_checksum().hex()


def result_row(key: str, result: str) -> dict[str, str]:
    return {"type": "transformation", "checksum": key, "value": result}


@pytest.fixture
def chain(tmp_path: Path) -> Chain:
    buffers = tmp_path / "buffers"
    remote.configure(directory=str(buffers), read_servers=[], write_servers=[])
    code, value = write("x + 1", "python"), write(1, "int")
    steps: list[str] = []
    results: list[str] = []
    for number in (2, 3):
        definition = {"code": ["python", None, code], "x": ["int", None, [value, *results][-1]]}
        steps.append(write(definition, "plain"))
        results.append(write(number, "int"))
    other = write({"code": ["python", None, code], "x": ["int", None, write(8, "int")]}, "plain")
    file = put(
        tmp_path / "seamless.db",
        *(result_row(*pair) for pair in zip(steps, results, strict=True)),
        result_row(other, write(9, "int")),
    )
    return Chain(file, buffers, code, value, (steps[0], steps[1]), (results[0], results[1]))


def export(chain: Chain, target: Path, *options: str) -> list[str | Path]:
    closure: list[str | Path] = ["--closure", chain.results[1], "--buffers", chain.buffers]
    return ["export", chain.file, target, *closure, *options]


def buffers_in(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("*") if len(path.name) == 64}


def test_a_folder_has_the_rows_and_the_buffers_of_all_steps(chain: Chain, tmp_path: Path) -> None:
    target = tmp_path / "for a colleague"
    found = run_json(*export(chain, target))
    needed = {chain.code, chain.value, *chain.steps, *chain.results}
    assert found["complete"]
    assert found["target"] == str(target)
    assert found["buffers"]["copied"] == len(needed)
    assert found["buffers"]["missing"] == []
    assert {path.name for path in target.iterdir()} == {"seamless.db", "buffers"}
    assert buffers_in(target) == needed
    expected = set(zip(chain.steps, chain.results, strict=True))
    assert rows(target / "seamless.db", "transformation") == expected
    assert run_json("check", target / "seamless.db", "--buffers", target / "buffers")["clean"]
    remote.configure(directory=str(target / "buffers"), read_servers=[], write_servers=[])
    assert Checksum(chain.results[1]).resolve("int") == 3


def test_a_missing_buffer_is_named(chain: Chain, tmp_path: Path) -> None:
    target = tmp_path / "target"
    for path in chain.buffers.rglob(chain.value):
        path.unlink()
    done = admin(*export(chain, target, "--json"))
    assert done.status == 3
    found = json.loads(done.out)
    assert not found["complete"]
    assert found["buffers"]["missing"] == [chain.value]
    checked = admin("check", target / "seamless.db", "--buffers", target / "buffers", "--json")
    assert checked.status == 3
    assert json.loads(checked.out)["missing_buffers"] == [chain.value]
    assert json.loads(checked.out)["problems"] == []


def test_a_damaged_buffer_is_found(chain: Chain) -> None:
    assert run_json("check", chain.file, "--buffers", chain.buffers)["clean"]
    (path,) = chain.buffers.rglob(chain.code)
    path.chmod(0o644)
    path.write_text("damaged")
    done = admin("check", chain.file, "--buffers", chain.buffers)
    assert done.status == 3
    assert chain.code in done.out


def test_a_dry_run_leaves_nothing(chain: Chain, tmp_path: Path) -> None:
    before = sorted(tmp_path.iterdir())
    found = run_json(*export(chain, tmp_path / "target", "--dry-run"))
    assert (found["dry_run"], found["buffers"]["copied"]) == (True, 6)
    assert sorted(tmp_path.iterdir()) == before


def test_the_buffer_of_the_result_itself_is_copied(chain: Chain, tmp_path: Path) -> None:
    info = {"type": "buffer_info", "checksum": chain.value, "value": {"length": 2}}
    put(chain.file, info)
    words: list[str | Path] = ["--closure", chain.value, "--buffers", chain.buffers]
    assert run_json("export", chain.file, tmp_path / "t", *words)["buffers"]["copied"] == 1
    assert buffers_in(tmp_path / "t") == {chain.value}


def test_an_existing_folder_is_kept(chain: Chain, tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.mkdir()
    done = admin(*export(chain, target))
    assert_one_line(done.status, done.err, "exists already")
    assert list(target.iterdir()) == []


def test_an_unknown_checksum_leaves_no_folder(chain: Chain, tmp_path: Path) -> None:
    before = sorted(tmp_path.iterdir())
    words: list[str | Path] = ["--closure", checksum("unknown"), "--buffers", chain.buffers]
    done = admin("export", chain.file, tmp_path / "target", *words)
    assert_one_line(done.status, done.err, "no rows about the checksum")
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    "words",
    [
        ["export", "file.db", "target", "--buffers", "buffers"],
        ["export", "file.db", "postgresql://h/d", "--closure", "a" * 64, "--buffers", "buffers"],
        ["check", "--repair", "file.db", "--buffers", "buffers"],
    ],
    ids=["no closure", "a database", "a repair"],
)
def test_options_that_do_not_go_together_exit_with_2(words: list[str]) -> None:
    assert admin(*words).status == 2


def test_a_directory_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    file = put(tmp_path / "seamless.db", metadata(1, "a"), transformation(2, "b"))
    done = admin("check", file, "--buffers", tmp_path / "absent")
    assert_one_line(done.status, done.err, "absent", "no such directory")
