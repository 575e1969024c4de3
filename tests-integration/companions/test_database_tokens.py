"""The published client comes in with the token of its URL, and not without."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

import pytest
from database_samples import checksum
from database_server import TIMEOUT, Server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from companions.environment import Environment

READ, WRITE = "r" * 32, "w" * 32
TF, RESULT = checksum("tf"), checksum("result")
#: stores a result and reads it back; prints for each what came, or the error
CLIENT = """
import asyncio, json, sys
from seamless import Checksum
from seamless_remote.database_client import DatabaseClient

async def attempt(call):
    try:
        answer = await call
    except Exception as error:
        return str(error)
    return str(answer or "")

async def main():
    url, transformation, result = sys.argv[1:]
    client = DatabaseClient(readonly=False)
    client.url = url
    key = Checksum(transformation)
    stored = await attempt(client.set_transformation_result(key, Checksum(result)))
    found = await attempt(client.get_transformation_result(key))
    print(json.dumps([stored, found]))

asyncio.run(main())
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("tokens")
    tokens = folder / "tokens"
    tokens.touch(mode=0o600)
    tokens.write_text(f"read {READ}\nwrite {WRITE}\n")
    with Server(folder / "seamless.db", "--token-file", str(tokens)) as server:
        yield server


def attempt(companions: Environment, server: Server, userinfo: str, folder: Path) -> list[str]:
    """Let the published client store and read; what came of each, or the error."""
    url = server.url.replace("://", f"://{userinfo}")
    words = [str(companions.python), "-c", CLIENT, url, TF, RESULT]
    done = subprocess.run(
        words, capture_output=True, text=True, timeout=TIMEOUT, check=True, cwd=folder
    )
    answers: list[str] = json.loads(done.stdout)
    return answers


def test_a_write_token_in_the_url_stores_and_reads(
    companions: Environment, server: Server, tmp_path: Path
) -> None:
    assert attempt(companions, server, f"anyone:{WRITE}@", tmp_path) == ["", RESULT]


def test_a_read_token_in_the_url_reads_only(
    companions: Environment, server: Server, tmp_path: Path
) -> None:
    authorization = {"Authorization": f"Bearer {WRITE}"}
    body = {"type": "transformation", "checksum": TF, "value": RESULT}
    assert server.ask("PUT", body, headers=authorization).text == "OK"
    refused, found = attempt(companions, server, f"anyone:{READ}@", tmp_path)
    assert "403" in refused
    assert "may only read" in refused
    assert found == RESULT


@pytest.mark.parametrize("userinfo", ["", f"anyone:{'x' * 32}@"])
def test_without_a_known_token_the_client_hears_why(
    companions: Environment, server: Server, tmp_path: Path, userinfo: str
) -> None:
    for refused in attempt(companions, server, userinfo, tmp_path):
        assert "401" in refused
        assert "token" in refused
