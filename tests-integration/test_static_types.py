"""What type checkers see: the examples of the READMEs pass, and each method has its own types.

basedpyright is pyright in a wheel that has all it needs; pyright's own package downloads itself.
"""

from __future__ import annotations

import doctest
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCES = [ROOT / "packages" / name / "src" for name in ("seamless-core", "seamless-database")]

#: what the expressions of the two packages are, as type checkers see it
TYPES = """
from __future__ import annotations

from typing import Any

from numpy.typing import NDArray
from typing_extensions import assert_type

from seamless import Buffer, Checksum
from seamless.checksum.celltypes import BufferType
from seamless_database.client import AsyncDatabaseClient, DatabaseClient


def read_values(buffer: Buffer, name: str, known: BufferType) -> None:
    assert_type(buffer.get_value("text"), str)
    assert_type(buffer.get_value("yaml"), str)
    assert_type(buffer.get_value("str"), str)
    assert_type(buffer.get_value("int"), int)
    assert_type(buffer.get_value("float"), float)
    assert_type(buffer.get_value("bool"), bool)
    assert_type(buffer.get_value("binary"), NDArray[Any])
    assert_type(buffer.get_value("bytes"), Buffer)
    assert_type(buffer.get_value("mixed"), Any)
    assert_type(buffer.get_value(name), Any)
    buffer.get_value(known)
    Buffer(1, name)
    Buffer(1, known)
    assert_type(buffer.write_sync(), bool)


def resolve_checksums(checksum: Checksum, name: str | None) -> None:
    assert_type(checksum.resolve(), Buffer)
    assert_type(checksum.resolve(None), Buffer)
    assert_type(checksum.resolve("python"), str)
    assert_type(checksum.resolve(celltype="int"), int)
    assert_type(checksum.resolve("bytes"), Buffer)
    assert_type(checksum.resolve("plain"), Any)
    assert_type(checksum.fingertip_sync(), Buffer)
    assert_type(checksum.fingertip_sync("float"), float)
    checksum.resolve(name)


async def resolve_in_a_loop(checksum: Checksum) -> None:
    assert_type(await checksum.resolution(), Buffer)
    assert_type(await checksum.resolution("bool"), bool)
    assert_type(await checksum.fingertip("text"), str)
    assert_type(await checksum.fingertip(), Buffer)
    buffer = await Buffer.from_async(1, "int")
    assert_type(await buffer.get_value_async("int"), int)
    assert_type(await buffer.get_value_async("binary", copy=False), NDArray[Any])


def ask_a_database(client: DatabaseClient, checksum: Checksum) -> None:
    assert_type(client.healthcheck(), bool)
    assert_type(client.get_transformation(checksum), "str | None")
    assert_type(client.get_transformation("11" * 32), "str | None")
    assert_type(client.get_transformation(bytes(32)), "str | None")
    assert_type(client.get_transformation(checksum=checksum), "str | None")
    assert_type(client.get_metadata(checksum), "dict[str, Any] | None")
    assert_type(client.get_rev_transformations(checksum), "list[str] | None")
    assert_type(client.get_irreproducible(checksum, result=None), "list[dict[str, Any]] | None")
    assert_type(client.get_transformations([checksum]), dict[Checksum, str])
    assert_type(client.get_buffer_infos(["11" * 32]), dict[str, dict[str, Any]])
    client.put_transformation(checksum, checksum)


async def ask_in_a_loop(client: AsyncDatabaseClient, checksum: Checksum) -> None:
    assert_type(await client.get_transformation(checksum), "str | None")
    assert_type(await client.get_transformations([checksum]), dict[Checksum, str])
    await client.put_transformation(checksum, checksum)
"""

#: each line is a mistake that both type checkers find
MISTAKES = """
from seamless import Buffer, Checksum
from seamless_database.client import DatabaseClient

number: int = Buffer(1, "int").get_value("text")
text: str = Checksum("11" * 32).resolve()
DatabaseClient("http://127.0.0.1:5522").get_transformation(5)
DatabaseClient("http://127.0.0.1:5522").get_transformation()
found: str = DatabaseClient("http://127.0.0.1:5522").get_transformation("11" * 32)
"""
_MISTAKEN_LINES = list(range(5, 10))


def shown(package: str) -> str:
    """The Python of a README, as one module; what is entered at a prompt as it is entered."""
    readme = (ROOT / "packages" / package / "README.md").read_text()
    blocks = re.findall(r"^```python\n(.*?)^```", readme, re.DOTALL | re.MULTILINE)
    parser = doctest.DocTestParser()
    return "\n".join(
        "".join(one.source for one in parser.get_examples(block)) if ">>> " in block else block
        for block in blocks
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("typed")
    (folder / "core_readme.py").write_text(shown("seamless-core"))
    token = "token = open('token').read()\n"
    (folder / "database_readme.py").write_text(token + shown("seamless-database"))
    (folder / "known_types.py").write_text(TYPES)
    (folder / "mistakes.py").write_text(MISTAKES)
    return folder


def complaints(output: str, pattern: str) -> dict[str, list[int]]:
    """The lines that a type checker complains about, by file."""
    found: dict[str, list[int]] = {}
    for name, line in re.findall(pattern, output, re.MULTILINE):
        found.setdefault(Path(name).name, []).append(int(line))
    return found


def run_in(folder: Path, *words: str | Path) -> str:
    """Run a module of this environment; returns its output."""
    run = subprocess.run(
        [sys.executable, "-m", *words],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    return run.stdout + run.stderr


def test_mypy_passes_the_readmes_and_finds_mistakes(folder: Path) -> None:
    config = folder / "mypy.ini"
    config.write_text(f"[mypy]\nstrict = True\nmypy_path = {':'.join(map(str, SOURCES))}\n")
    options = ("--config-file", config, "--cache-dir", ROOT / ".dev" / "mypy-readme")
    output = run_in(folder, "mypy", *options, *sorted(folder.glob("*.py")))
    found = complaints(output, r"^(\S+\.py):(\d+): error")
    assert found == {"mistakes.py": _MISTAKEN_LINES}, output


def test_pyright_passes_the_readmes_and_finds_mistakes(folder: Path) -> None:
    config = folder / "pyrightconfig.json"
    options = {
        "include": ["."],
        "extraPaths": list(map(str, SOURCES)),
        "pythonVersion": "3.10",
        "typeCheckingMode": "strict",
        "reportUnusedExpression": False,  # what is entered at a prompt is shown
    }
    config.write_text(json.dumps(options))
    words = ("basedpyright", "--project", config, "--pythonpath", sys.executable)
    output = run_in(folder, *words)
    found = complaints(output, r"^\s*(\S+\.py):(\d+):\d+ - error")
    assert found == {"mistakes.py": _MISTAKEN_LINES}, output
