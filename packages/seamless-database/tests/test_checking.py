from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from database_samples import checksum

from seamless_database.checking import Checker
from seamless_database.errors import RequestError, UnavailableError
from seamless_database.protocol import decode
from seamless_database.records import reading, writing

if TYPE_CHECKING:
    from pathlib import Path

READ = json.dumps({"type": "transformation", "checksum": checksum(1)}).encode()
WRITE = json.dumps({"type": "buffer_info", "checksum": checksum(1), "value": {"length": 1}})


@pytest.fixture
def checker() -> Iterator[Checker]:
    checker = Checker()
    yield checker
    checker.close()


def test_the_child_finds_what_this_process_would(checker: Checker) -> None:
    async def check() -> None:
        assert await checker.check(reading, READ) == reading(decode(READ))
        assert await checker.check(writing, WRITE.encode()) == writing(decode(WRITE.encode()))

    asyncio.run(check())


@pytest.mark.parametrize("body", [b"nonsense", b"\xff", b"[" * 300_000, b'{"type": "metadata"}'])
def test_the_child_refuses_what_this_process_would(checker: Checker, body: bytes) -> None:
    with pytest.raises(RequestError) as here:
        reading(decode(body))
    with pytest.raises(RequestError) as there:
        asyncio.run(checker.check(reading, body))
    assert (str(there.value), there.value.field) == (str(here.value), here.value.field)


def test_a_child_that_died_is_replaced(checker: Checker) -> None:
    async def check() -> None:
        await checker.check(reading, READ)
        assert checker._child is not None
        checker._child.kill()
        assert await checker.check(reading, READ) == reading(decode(READ))

    asyncio.run(check())


def test_without_a_child_the_client_is_told_to_try_again(
    checker: Checker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/nonexistent")
    with pytest.raises(UnavailableError, match="try again"):
        asyncio.run(checker.check(reading, READ))


def test_the_working_folder_holds_no_modules_for_the_child(
    checker: Checker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "json.py").write_text("raise ImportError")
    monkeypatch.chdir(tmp_path)
    assert asyncio.run(checker.check(reading, READ)) == reading(decode(READ))


def test_closing_ends_the_child() -> None:
    checker = Checker()
    asyncio.run(checker.check(reading, READ))
    child = checker._child
    assert child is not None
    checker.close()
    assert child.poll() is not None
