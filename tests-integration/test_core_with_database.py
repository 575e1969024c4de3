"""The two packages held together: neither imports the other, and they agree all the same."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from database_server import Server

import seamless.remote
from seamless import Buffer, Checksum
from seamless.caching import buffer_writer
from seamless.checksum.buffer_facts import compute_buffer_info
from seamless.checksum.buffer_info import BufferInfo
from seamless_database.client import DatabaseClient
from seamless_database.errors import DatabaseError

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DatabaseClient]:
    file = tmp_path_factory.mktemp("database") / "seamless.db"
    with Server(file) as server, DatabaseClient(server.url) as client:
        yield client


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Path]:
    seamless.remote.configure(directory=tmp_path)
    yield tmp_path
    seamless.remote.configure(directory=None)


CHECKSUMS = {
    "lower case": "ab" * 32,
    "upper case": "AB" * 32,
    "mixed case": "aB" * 32,
    "too short": "ab" * 31,
    "too long": "ab" * 33,
    "odd": "a" * 63,
    "no digits": "zz" * 32,
    "empty": "",
    "digits of another alphabet": "٣" * 64,
}


@pytest.mark.parametrize("name", CHECKSUMS)
def test_the_two_agree_on_what_a_checksum_is(client: DatabaseClient, name: str) -> None:
    text = CHECKSUMS[name]
    try:
        by_core = Checksum(text).hex()
    except ValueError:
        with pytest.raises(DatabaseError, match="checksum"):
            client.put_transformation(text, "cd" * 32)
    else:
        client.put_transformation(text, "cd" * 32)
        assert client.get_transformation(by_core) == "cd" * 32


@pytest.mark.parametrize(
    ("value", "celltype"),
    [({"a": [1, 2]}, "plain"), ("text", "text"), (b"\x00\xff", "bytes"), (2.5, "float")],
)
def test_facts_about_a_buffer_survive_the_database(
    client: DatabaseClient, value: object, celltype: str
) -> None:
    buffer = Buffer(value, celltype)
    facts = compute_buffer_info(buffer.content, celltype)
    name = buffer.get_checksum()
    client.put_buffer_info(name, facts.as_dict())

    stored = client.get_buffer_info(name)
    assert stored is not None
    assert BufferInfo(name, stored).as_dict() == facts.as_dict()


def test_a_stored_result_is_resolved_in_another_process(
    client: DatabaseClient, directory: Path
) -> None:
    code = Buffer("def f(x):\n    return 2 * x", "python").get_checksum()
    transformation = Buffer({"code": code, "x": 21}, "plain").get_checksum()
    result = Buffer(42, "int")
    result.incref()
    buffer_writer.flush()
    client.put_transformation(transformation, result.get_checksum())

    script = (
        "import sys\n"
        "from seamless import Checksum\n"
        "from seamless_database.client import DatabaseClient\n"
        "with DatabaseClient(sys.argv[1]) as client:\n"
        "    result = client.get_transformation(sys.argv[2])\n"
        "print(Checksum(result).resolve('int'))\n"
    )
    child = subprocess.run(
        [sys.executable, "-c", script, client.url, transformation.hex()],
        env={"SEAMLESS_BUFFER_DIR": str(directory)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    result.decref()
    assert child.stdout == "42\n", child.stderr


def test_a_checksum_of_core_is_a_checksum_of_the_client(client: DatabaseClient) -> None:
    transformation, result = (Buffer(text, "text").get_checksum() for text in ("job", "result"))
    client.put_transformation(transformation, result)
    assert client.get_transformation(transformation) == result
    assert client.get_rev_transformations(result) == [transformation.hex()]
    assert client.get_transformations([transformation]) == {transformation: result}
    identity = {"tf_checksum": transformation, "result_checksum": result}
    client.put_metadata(transformation, result, {"schema_version": 1, **identity})
    stored = client.get_metadata(transformation)
    assert stored is not None
    assert stored["tf_checksum"] == transformation.hex()


def test_the_readme_of_core_runs_with_a_database(client: DatabaseClient, tmp_path: Path) -> None:
    readme = (ROOT / "packages" / "seamless-core" / "README.md").read_text()
    code = "".join(re.findall(r"^```python\n(.*?)^```", readme, re.DOTALL | re.MULTILINE))
    assert "http://127.0.0.1:5522" in code
    child = subprocess.run(
        [sys.executable, "-W", "error", "-c", code.replace("http://127.0.0.1:5522", client.url)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert child.returncode == 0, child.stderr
    assert "12.56636\n" in child.stdout


@pytest.mark.parametrize(
    ("package", "other"), [("seamless", "seamless_database"), ("seamless_database", "seamless")]
)
def test_neither_package_imports_the_other(package: str, other: str) -> None:
    script = f"import {package}, sys; sys.exit('{other}' in sys.modules)"
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)
