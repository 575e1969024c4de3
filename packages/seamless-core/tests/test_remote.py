from __future__ import annotations

import asyncio
import hashlib
import logging
import socket
import sys
import threading
import types
from typing import TYPE_CHECKING

import pytest
from fake_companions import Server, install
from fake_hashserver import Script, answering, running

from seamless import Buffer, Checksum, remote
from seamless.stores import configured
from seamless.stores.directory import BufferDirectory

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def named(content: bytes) -> Checksum:
    return Checksum(hashlib.sha256(content).hexdigest())


@pytest.fixture(autouse=True)
def no_backends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SEAMLESS_BUFFER_DIR", raising=False)
    monkeypatch.delenv("SEAMLESS_BUFFER_SERVER", raising=False)
    monkeypatch.setattr(remote, "_missing_packages", set())


def fetched(checksum: Checksum) -> bytes | None:
    result = remote.fetch_sync(checksum)
    assert asyncio.run(remote.fetch(checksum)) == result
    return None if result is None else result.content


# -- without anything -----------------------------------------------------------------


def test_without_backends_nothing_is_found_or_written() -> None:
    assert fetched(named(b"x")) is None
    assert not remote.can_write()
    assert asyncio.run(remote.write(Buffer(b"x"))) is False


def test_without_companion_packages_nothing_can_be_recomputed() -> None:
    assert asyncio.run(remote.known_producers(named(b"x"))) == []
    assert asyncio.run(remote.recompute(named(b"x"))) is None


# -- the buffer directory -------------------------------------------------------------


def test_the_directory_is_taken_from_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEAMLESS_BUFFER_DIR", str(tmp_path))
    assert remote.can_write()
    assert not remote.has_write_server()
    assert asyncio.run(remote.write(Buffer(b"by environment"))) is True
    assert fetched(named(b"by environment")) == b"by environment"


def test_the_directory_can_be_configured_and_removed(tmp_path: Path) -> None:
    remote.configure(directory=tmp_path)
    try:
        assert asyncio.run(remote.write(Buffer(b"by call"))) is True
        assert fetched(named(b"by call")) == b"by call"
    finally:
        remote.configure()
    assert fetched(named(b"by call")) is None


def test_a_buffer_that_fails_does_not_harm_the_others_of_its_batch(tmp_path: Path) -> None:
    blocked = Buffer(b"blocked")
    (tmp_path / blocked.get_checksum().hex()[:2] / blocked.get_checksum().hex()).mkdir(parents=True)
    remote.configure(directory=tmp_path)
    try:
        batch = [Buffer(b"first"), blocked, Buffer(b"last")]
        first, error, last = asyncio.run(remote.write_together(batch))
        assert (first, type(error), last) == (True, IsADirectoryError, True)
        assert [fetched(named(content)) for content in (b"first", b"last")] == [b"first", b"last"]
    finally:
        remote.configure()


def test_only_directories_get_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert remote.batch_size() == 1
    monkeypatch.setenv("SEAMLESS_BUFFER_DIR", str(tmp_path))
    assert remote.batch_size() > 1
    monkeypatch.setenv("SEAMLESS_BUFFER_SERVER", "http://localhost:1")
    assert remote.batch_size() == 1
    monkeypatch.delenv("SEAMLESS_BUFFER_SERVER")
    Server().install(monkeypatch)
    assert remote.batch_size() == 1


# -- companion packages ---------------------------------------------------------------


def test_a_server_is_read_and_written(monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server()
    server.install(monkeypatch)
    assert remote.has_write_server()
    assert asyncio.run(remote.write(Buffer(b"served"))) is True
    assert server.promised == [named(b"served").hex()]
    assert fetched(named(b"served")) == b"served"


def test_a_server_is_read_inside_a_running_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server()
    server.install(monkeypatch)
    server.buffers[named(b"served").hex()] = b"served"

    async def read() -> remote.Fetched | None:
        return remote.fetch_sync(named(b"served"))

    assert asyncio.run(read()) == (b"served", "local_hashserver")


def test_other_content_from_a_server_is_rejected(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    server = Server()
    server.install(monkeypatch)
    server.buffers[named(b"right").hex()] = b"wrong"
    with caplog.at_level(logging.WARNING, "seamless"):
        assert remote.fetch_sync(named(b"right")) is None
    assert named(b"right").hex() in caplog.text


def test_wrong_content_is_reported_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    server = Server()
    server.install(monkeypatch)
    server.buffers[named(b"right, but reported once").hex()] = b"wrong"
    for _ in range(3):
        assert remote.fetch_sync(named(b"right, but reported once")) is None
    assert caplog.text.count(named(b"right, but reported once").hex()) == 1


def test_locate_asks_the_servers_of_seamless_remote(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    script = Script(answering(b"[true]"))
    module = Server().install(monkeypatch)
    with running(script):
        clients = [types.SimpleNamespace(url=script.url), types.SimpleNamespace(url=None)]
        monkeypatch.setattr(module, "_write_server_clients", clients)
        asked = remote.locate(named(b"x"))
        remote.close_connections()
    assert asked == [(script.url, "found", f"{script.url}/{named(b'x')}")]


def test_connections_are_kept_until_they_are_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    closed = threading.Event()

    def keep(connection: socket.socket) -> None:
        for content in (b"one", b"two"):
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n" + content)
            if not connection.recv(65536):
                break
        closed.set()

    with running(Script(keep)) as script:
        monkeypatch.setenv("SEAMLESS_BUFFER_SERVER", script.url)
        assert remote.fetch_sync(named(b"one")) == (b"one", "local_hashserver")
        assert remote.fetch_sync(named(b"two")) == (b"two", "local_hashserver")
        assert not closed.is_set()
        remote.close_connections()
        assert closed.wait(30)
    assert len(script.requests) == 1


@pytest.mark.parametrize("closing", [remote.close_connections, remote.configure])
def test_close_closes_every_connection_and_the_next_request_opens_a_new_one(
    closing: Callable[[], None],
) -> None:
    content = b"connected"
    with (
        running(Script(answering(content, keep=True))) as one,
        running(Script(*one.behaviours)) as two,
    ):
        remote.configure(read_servers=[one.url], write_servers=[two.url])
        assert fetched(named(content)) == content
        results = [store.read(named(content).hex()) for store in configured.readers()]
        assert [result.content for result in results] == [content] * 2
        assert (one.connections, two.connections) == (1, 1)
        closing()
        assert one.all_closed()
        assert two.all_closed()
        remote.configure(read_servers=[one.url])
        assert fetched(named(content)) == content
        assert one.connections == 2
        remote.configure()
        assert one.all_closed()


def test_an_unexpected_error_of_a_store_does_not_hide_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    BufferDirectory(tmp_path / "two").write(named(b"x").hex(), b"x")
    remote.configure(directory=[tmp_path / "one", tmp_path / "two"])
    try:
        first = configured.readers()[0]
        for error in (MemoryError, StopIteration, RuntimeError):

            def fail(*_: object, error: type[Exception] = error) -> None:
                raise error("broken")

            monkeypatch.setattr(first, "read", fail)
            assert fetched(named(b"x")) == b"x"
            assert f"{error.__name__}('broken')" in caplog.text
            tried: list[tuple[str, str]] = []
            assert remote.fetch_sync(named(b"x"), tried) is not None
            assert tried[0] == (first.name, f"{error.__name__}: broken")
    finally:
        remote.configure()


def test_large_content_is_hashed_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server()
    server.install(monkeypatch)
    content = bytes(2 * remote.MIN_BYTES_FOR_THREAD)
    server.buffers[named(content).hex()] = content
    server.buffers[named(b"right").hex()] = content
    assert fetched(named(content)) == content
    assert fetched(named(b"right")) is None


def test_directory_and_server_are_both_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = Server()
    server.install(monkeypatch)
    monkeypatch.setenv("SEAMLESS_BUFFER_DIR", str(tmp_path))
    assert asyncio.run(remote.write(Buffer(b"both"))) is True
    assert server.buffers == {named(b"both").hex(): b"both"}
    assert list(tmp_path.rglob(named(b"both").hex()))


def test_a_failing_directory_does_not_prevent_the_upload_to_a_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    server = Server()
    server.install(monkeypatch)
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("SEAMLESS_BUFFER_DIR", str(tmp_path / "file" / "folder"))
    assert asyncio.run(remote.write(Buffer(b"one of two"))) is True
    assert named(b"one of two").hex() in server.buffers
    assert named(b"one of two").hex() in caplog.text


def test_the_error_of_the_only_store_is_raised(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("SEAMLESS_BUFFER_DIR", str(tmp_path / "file" / "folder"))
    with pytest.raises(OSError, match="file"):
        asyncio.run(remote.write(Buffer(b"none of one")))


def test_a_failing_server_does_not_hide_that_a_directory_has_the_buffer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    server = Server()
    server.refusing = True
    server.install(monkeypatch)
    monkeypatch.setenv("SEAMLESS_BUFFER_DIR", str(tmp_path))
    assert asyncio.run(remote.write(Buffer(b"one of two"))) is True
    assert "the server is gone" in caplog.text
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("SEAMLESS_BUFFER_DIR", str(tmp_path / "file" / "folder"))
    with pytest.raises(NotADirectoryError):
        asyncio.run(remote.write(Buffer(b"none of two")))


def test_without_a_server_to_write_to_seamless_remote_gets_no_buffer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server = Server()
    vars(server.install(monkeypatch))["has_write_server"] = lambda: False
    assert asyncio.run(remote.write(Buffer(b"x"))) is False
    assert not server.promised


def test_a_replaced_module_takes_effect_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = Server(), Server()
    first.install(monkeypatch)
    assert fetched(named(b"x")) is None
    second.install(monkeypatch)
    second.buffers[named(b"x").hex()] = b"x"
    assert fetched(named(b"x")) == b"x"


def test_a_module_without_the_functions_is_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, "seamless_remote.buffer_remote")
    assert fetched(named(b"x")) is None
    assert not remote.can_write()


def test_a_broken_companion_package_is_reported_once_and_then_ignored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    package = tmp_path / "seamless_remote"
    package.mkdir()
    (package / "__init__.py").write_text("import surely_not_installed_anywhere\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    for _ in range(2):
        assert fetched(named(b"x")) is None
    messages = [record.getMessage() for record in caplog.records]
    assert len(messages) == 1
    assert "seamless_remote is installed but can't be imported" in messages[0]
    assert "surely_not_installed_anywhere" in messages[0]
    sys.modules.pop("seamless_remote", None)


def test_local_producers_come_first(monkeypatch: pytest.MonkeyPatch) -> None:
    here, both, elsewhere = (Checksum(bytes([n]) * 32) for n in (1, 2, 3))

    class Cache:
        def get_reverse_transformations(self, _checksum: Checksum) -> list[Checksum]:
            return [here, both]

    async def get_rev_transformations(_checksum: Checksum) -> list[Checksum]:
        return [both, elsewhere]

    install(
        monkeypatch,
        "seamless_transformer.transformation_cache",
        get_transformation_cache=Cache,
    )
    install(
        monkeypatch,
        "seamless_remote.database_remote",
        get_rev_transformations=get_rev_transformations,
    )
    assert asyncio.run(remote.known_producers(named(b"x"))) == [here, both, elsewhere]
