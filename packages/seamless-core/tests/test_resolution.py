from __future__ import annotations

import asyncio
import gc
import hashlib
import os
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from fake_companions import Server, install
from python_runs import run_python

from seamless import Buffer, CacheMissError, Checksum, remote
from seamless.caching.buffer_cache import get_buffer_cache
from seamless.caching.eviction_cost import get_cost
from seamless.checksum.buffer_info import BufferInfo

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def named(content: bytes) -> Checksum:
    return Checksum(hashlib.sha256(content).hexdigest())


async def resolve_in_loop(checksum: Checksum) -> Any:
    return checksum.resolve()


async def fingertip_in_loop(checksum: Checksum) -> Any:
    return checksum.fingertip_sync()


def in_thread(checksum: Checksum) -> Any:
    outcome: list[Any] = []

    def work() -> None:
        try:
            outcome.append(checksum.resolve())
        except CacheMissError as error:
            outcome.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    if isinstance(outcome[0], CacheMissError):
        raise outcome[0]
    return outcome[0]


WAYS: list[Callable[[Checksum], Any]] = [
    lambda checksum: checksum.resolve(),
    lambda checksum: asyncio.run(checksum.resolution()),
    lambda checksum: asyncio.run(resolve_in_loop(checksum)),
    lambda checksum: checksum.fingertip_sync(),
    lambda checksum: asyncio.run(checksum.fingertip()),
    lambda checksum: asyncio.run(fingertip_in_loop(checksum)),
    in_thread,
]
every_way = pytest.mark.parametrize("resolve", WAYS)


@pytest.fixture(autouse=True)
def no_backends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SEAMLESS_BUFFER_DIR", raising=False)
    monkeypatch.delenv("SEAMLESS_BUFFER_SERVER", raising=False)
    monkeypatch.setattr(remote, "_missing_packages", set())


@every_way
@pytest.mark.parametrize("content", [b"", b"{}", b"{}\n", b"[]", b"[]\n"])
def test_trivial_buffers_need_no_storage(
    content: bytes, resolve: Callable[[Checksum], Any]
) -> None:
    buffer = resolve(named(content))
    assert buffer is not None
    assert buffer.content == content


@every_way
def test_a_cached_buffer_is_found(resolve: Callable[[Checksum], Any]) -> None:
    buffer = Buffer(b"cached")
    assert resolve(buffer.get_checksum()) is buffer


@every_way
def test_a_buffer_that_is_not_found_is_a_miss(resolve: Callable[[Checksum], Any]) -> None:
    with pytest.raises(CacheMissError) as miss:
        resolve(Checksum("12" * 32))
    assert str(miss.value) == "12" * 32
    assert miss.value.tried[0] == ("cache", "no")


@every_way
def test_a_buffer_of_the_directory_is_found(
    resolve: Callable[[Checksum], Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEAMLESS_BUFFER_DIR", str(tmp_path))
    asyncio.run(Buffer(b"in the directory").write())
    buffer = resolve(named(b"in the directory"))
    assert buffer.content == b"in the directory"
    assert get_buffer_cache().get(named(b"in the directory")) is buffer


@every_way
def test_a_buffer_of_a_server_is_found(
    resolve: Callable[[Checksum], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    server = Server()
    server.install(monkeypatch)
    server.buffers[named(b"on a server").hex()] = b"on a server"
    assert resolve(named(b"on a server")).content == b"on a server"


def test_resolving_does_not_reference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEAMLESS_BUFFER_DIR", str(tmp_path))
    asyncio.run(Buffer(b"only read").write())
    named(b"only read").resolve()
    assert named(b"only read") not in get_buffer_cache().strong_cache


def test_a_buffer_another_process_wrote_is_resolved(tmp_path: Path) -> None:
    code = """
        from seamless import Buffer
        buffer = Buffer({"from": "another process"}, "plain")
        buffer.tempref()
        print(buffer.get_checksum())
    """
    checksum = run_python(code, directory=tmp_path).stdout.strip()
    code = """
        import sys
        from seamless import Checksum
        print(Checksum(sys.argv[1]).resolve("plain"))
    """
    assert run_python(code, checksum, directory=tmp_path).stdout == "{'from': 'another process'}\n"


def test_a_damaged_file_of_the_directory_is_a_miss(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEAMLESS_BUFFER_DIR", str(tmp_path))
    (tmp_path / named(b"right").hex()).write_bytes(b"wrong")
    with pytest.raises(CacheMissError):
        named(b"right").resolve()


# -- recomputation --------------------------------------------------------------------


class Transformer:
    """A transformation cache in which transformations give contents."""

    def __init__(self, results: dict[Checksum, bytes | Exception]) -> None:
        self.results = results
        self.ran: list[str] = []
        self.kept: list[Buffer] = []

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        install(
            monkeypatch,
            "seamless_transformer.transformation_cache",
            get_transformation_cache=lambda: self,
            recompute_from_transformation_checksum=self.recompute,
        )

    def get_reverse_transformations(self, _checksum: Checksum) -> list[Checksum]:
        return list(self.results)

    async def recompute(
        self, transformation: str, *, scratch: bool, require_value: bool
    ) -> Checksum:
        assert (scratch, require_value) == (True, True)
        self.ran.append(transformation)
        result = self.results[Checksum(transformation)]
        if isinstance(result, Exception):
            raise result
        self.kept.append(Buffer(result))
        return self.kept[-1].get_checksum()


FIRST, SECOND, THIRD = (Checksum(bytes([n]) * 32) for n in (7, 8, 9))
FINGERTIPS = [WAYS[3], WAYS[4], WAYS[5]]


@pytest.mark.parametrize("fingertip", FINGERTIPS)
def test_fingertip_runs_producers_until_one_returns_the_result(
    fingertip: Callable[[Checksum], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    transformer = Transformer(
        {FIRST: ZeroDivisionError("broken"), SECOND: b"another result", THIRD: b"the result"}
    )
    transformer.install(monkeypatch)
    gc.collect()  # the result of the previous case
    assert fingertip(named(b"the result")).content == b"the result"
    assert transformer.ran == [FIRST.hex(), SECOND.hex(), THIRD.hex()]


@pytest.mark.parametrize("fingertip", FINGERTIPS)
def test_fingertip_is_a_miss_if_no_producer_returns_the_result(
    fingertip: Callable[[Checksum], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    Transformer({FIRST: b"another result"}).install(monkeypatch)
    with pytest.raises(CacheMissError):
        fingertip(named(b"the result that is not given"))


@pytest.mark.parametrize("fingertip", FINGERTIPS)
def test_a_miss_of_fingertip_lists_the_outcome_of_each_step(
    fingertip: Callable[[Checksum], Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SEAMLESS_BUFFER_DIR", str(tmp_path))
    wanted = named(b"wanted, and never given")
    Transformer({FIRST: ZeroDivisionError("broken"), SECOND: b"another"}).install(monkeypatch)
    with pytest.raises(CacheMissError) as miss:
        fingertip(wanted)
    assert str(miss.value) == wanted.hex()
    assert miss.value.tried == (
        ("cache", "no"),
        (f"directory {tmp_path}", "no"),
        (f"transformation {FIRST}", "ZeroDivisionError: broken"),
        (f"transformation {SECOND}", f"gave {named(b'another')}"),
    )


def test_a_miss_of_fingertip_says_that_no_producer_is_known() -> None:
    with pytest.raises(CacheMissError) as miss:
        Checksum("12" * 32).fingertip_sync()
    assert miss.value.tried[-1] == ("recomputation", "no transformation is known to give it")


def test_fingertip_returns_values(monkeypatch: pytest.MonkeyPatch) -> None:
    Transformer({FIRST: b"[\n  5\n]\n"}).install(monkeypatch)
    assert named(b"[\n  5\n]\n").fingertip_sync("plain") == [5]
    assert asyncio.run(named(b"[\n  5\n]\n").fingertip("plain")) == [5]


def test_fingertip_goes_through_patched_methods(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def resolve(self: Checksum, celltype: str | None = None) -> Any:
        asked.append(f"resolve {celltype}")
        return Buffer(b"5\n", checksum=self).get_value(celltype or "int")

    async def resolution(self: Checksum, celltype: str | None = None) -> Any:
        asked.append(f"resolution {celltype}")
        return resolve(self, celltype)

    monkeypatch.setattr(Checksum, "resolve", resolve)
    monkeypatch.setattr(Checksum, "resolution", resolution)
    assert named(b"5\n").fingertip_sync("int") == 5
    assert asyncio.run(named(b"5\n").fingertip("int")) == 5
    assert asked == ["resolve int", "resolution int", "resolve int"]


def test_no_loop_is_left_behind() -> None:
    code = """
        import asyncio
        from seamless import CacheMissError, Checksum
        mine = asyncio.new_event_loop()
        asyncio.set_event_loop(mine)
        try:
            Checksum("12" * 32).fingertip_sync()
        except CacheMissError:
            pass
        assert asyncio.get_event_loop_policy().get_event_loop() is mine
        mine.close()
    """
    run_python(code)


# -- details of a miss, and locations of a buffer -------------------------------------


@pytest.mark.parametrize("resolve", [WAYS[0], WAYS[1], WAYS[2]])
def test_a_miss_lists_every_store_in_order(
    resolve: Callable[[Checksum], Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    second.mkdir()
    (second / named(b"right").hex()).write_bytes(b"wrong")
    server = Server()
    server.install(monkeypatch)
    monkeypatch.setenv("SEAMLESS_BUFFER_DIR", f"{first}{os.pathsep}{second}")
    with pytest.raises(CacheMissError) as miss:
        resolve(named(b"right"))
    assert miss.value.details() == (
        f"cache: no; directory {first}: no; directory {second}: wrong content; seamless-remote: no"
    )


def test_the_next_directory_is_tried_when_one_holds_wrong_content(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    for folder, content in ((first, b"wrong"), (second, b"right")):
        folder.mkdir()
        (folder / named(b"right").hex()).write_bytes(content)
    monkeypatch.setenv("SEAMLESS_BUFFER_DIR", f"{first}{os.pathsep}{second}")
    assert named(b"right").resolve().content == b"right"


def test_the_length_of_one_buffer_does_not_limit_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEAMLESS_BUFFER_DIR", str(tmp_path))
    contents = (b'"short"\n', b'"no longer short"\n')
    short, long = map(named, contents)
    for content in contents:
        (tmp_path / named(content).hex()).write_bytes(content)
    with pytest.raises(CacheMissError):
        long.convert("mixed", "plain", info=BufferInfo(long, {"length": 8}))
    assert short.convert("mixed", "plain", info=BufferInfo(short, {"length": 8})) == short
    assert long.resolve().content == b'"no longer short"\n'


def found(checksum: Checksum, *, verbose: bool = False) -> list[tuple[str, bool, str | None]]:
    return [(at.kind, at.found, at.where) for at in checksum.find(verbose) or ()]


def test_find_is_none_for_an_unknown_buffer() -> None:
    assert Checksum("12" * 32).find() is None


def test_find_returns_the_misses_if_verbose() -> None:
    assert found(Checksum("12" * 32), verbose=True) == [
        ("trivial", False, None),
        ("cache", False, None),
    ]


def test_find_returns_the_locations_of_a_buffer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEAMLESS_BUFFER_DIR", str(tmp_path))
    path = tmp_path / named(b"here and there").hex()
    path.write_bytes(b"here and there")
    Transformer({FIRST: b"here and there"}).install(monkeypatch)
    buffer = Buffer(b"here and there")
    assert found(buffer.get_checksum()) == [
        ("cache", True, None),
        ("directory", True, str(path)),
        ("transformation", True, FIRST.hex()),
    ]


def test_find_works_inside_a_running_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    Transformer({FIRST: b"x"}).install(monkeypatch)

    async def find() -> list[tuple[str, bool, str | None]]:
        return found(Checksum("12" * 32))

    assert asyncio.run(find()) == [("transformation", True, FIRST.hex())]


def test_find_ignores_a_failing_database(monkeypatch: pytest.MonkeyPatch) -> None:
    async def get_rev_transformations(_checksum: Checksum) -> list[Checksum]:
        raise ConnectionError("gone")

    install(
        monkeypatch,
        "seamless_remote.database_remote",
        get_rev_transformations=get_rev_transformations,
    )
    assert found(named(b"")) == [("trivial", True, None)]


def test_a_read_from_a_folder_records_its_download_cost(tmp_path: Path) -> None:
    remote.configure(directory=tmp_path)
    try:
        name = Buffer({"read": "again"}, "plain").get_checksum()
        unread = get_cost(name, 1000)
        asyncio.run(Buffer({"read": "again"}, "plain").write())
        deadline = time.monotonic() + 30
        while get_buffer_cache().get(name) is not None:  # until the thread that wrote it has ended
            assert time.monotonic() < deadline
        name.resolve()
    finally:
        remote.configure(directory=None)

    assert get_cost(name, 1000) < unread
