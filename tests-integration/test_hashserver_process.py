"""The built-in backend and a real hashserver: what one writes the other reads, and accidents."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import logging
import socket
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
import zstandard
from published_hashserver import HashserverProcess
from python_runs import run_python

import seamless.remote
from seamless import Buffer, CacheMissError, Checksum
from seamless.caching import buffer_writer
from seamless.cli.buffers.main import main
from seamless.stores.directory import BufferDirectory

BIG = bytes(range(256)) * 40_000


def named(content: bytes) -> Checksum:
    return Checksum(hashlib.sha256(content).hexdigest())


@pytest.fixture(scope="module")
def shared_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HashserverProcess]:
    with HashserverProcess(tmp_path_factory.mktemp("hashserver") / "buffers") as server:
        yield server


@pytest.fixture
def server(shared_server: HashserverProcess) -> Iterator[HashserverProcess]:
    seamless.remote.configure(directory=(), write_servers=shared_server.url)
    yield shared_server
    buffer_writer.purge()
    seamless.remote.configure()


@pytest.fixture
def mortal(tmp_path: Path) -> Iterator[HashserverProcess]:
    """A server of this test alone, which it may kill."""
    with HashserverProcess(tmp_path / "buffers") as made:
        seamless.remote.configure(directory=(), write_servers=made.url)
        yield made
        buffer_writer.purge()
        seamless.remote.configure()


def place(server: HashserverProcess, content: bytes, *, name: Checksum, suffix: str = "") -> Path:
    folder = server.folder / name.hex()[:2]
    folder.mkdir(exist_ok=True)
    path = folder / (name.hex() + suffix)
    path.write_bytes(content)
    return path


# -- to and fro -----------------------------------------------------------------------


@pytest.mark.parametrize("content", [b"\x00", b"a few bytes", BIG], ids=len)
def test_what_is_written_is_read_by_others_and_by_us(
    server: HashserverProcess, content: bytes
) -> None:
    assert asyncio.run(Buffer(content).write()) is True
    assert server.get(named(content).hex()) == content
    assert named(content).resolve().content == content
    assert asyncio.run(named(content).resolution()).content == content


def test_a_reference_stores_in_the_background(server: HashserverProcess) -> None:
    Buffer(b"referenced").tempref()
    buffer_writer.flush()
    assert server.get(named(b"referenced").hex()) == b"referenced"


def test_writing_again_is_acknowledged(server: HashserverProcess) -> None:
    for content in (b"twice", BIG[:-1]):
        for _ in range(2):
            assert asyncio.run(Buffer(content).write()) is True


@pytest.mark.parametrize("suffix", [".zst", ".gz"])
def test_a_compressed_file_of_the_server_is_read(server: HashserverProcess, suffix: str) -> None:
    content = b"compressed " * 20 + suffix.encode()
    compressed = zstandard.compress(content) if suffix == ".zst" else gzip.compress(content)
    place(server, compressed, name=named(content), suffix=suffix)
    assert named(content).resolve().content == content


def test_the_folder_of_a_server_is_a_buffer_directory(
    server: HashserverProcess,
) -> None:
    directory = BufferDirectory(server.folder)
    asyncio.run(Buffer(b"through the server").write())
    assert directory.read(named(b"through the server").hex()).content == b"through the server"
    directory.write(named(b"through the folder").hex(), b"through the folder")
    assert server.get(named(b"through the folder").hex()) == b"through the folder"


@pytest.mark.parametrize("layout", ["flat", "prefix"])
def test_a_server_reads_the_layout_that_a_directory_keeps(tmp_path: Path, layout: str) -> None:
    with HashserverProcess(tmp_path / "buffers", "--layout", layout) as server:
        urllib.request.urlopen(
            urllib.request.Request(f"{server.url}/{named(b'first')}", data=b"first", method="PUT"),
            timeout=30,
        ).close()
        BufferDirectory(server.folder).write(named(b"second").hex(), b"second")
        assert server.get(named(b"second").hex()) == b"second"


def test_both_wait_for_a_lock_and_give_up_an_old_one(tmp_path: Path) -> None:
    folder = tmp_path / "buffers"
    with HashserverProcess(folder, "--lock-timeout", "2") as server:
        seamless.remote.configure(directory=(), read_servers=server.url)
        lock = place(server, b"", name=named(b"never comes"), suffix=".LOCK")
        assert seamless.remote.fetch_sync(named(b"never comes")) is None
        # the server has waited: the lock is as old as it may be
        assert time.time() - lock.stat().st_mtime > 1.5
        assert BufferDirectory(folder, 1.5).read(named(b"never comes").hex()).content is None
    seamless.remote.configure()


def test_another_process_resolves_by_environment(
    server: HashserverProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    asyncio.run(Buffer(b'"from afar"\n').write())
    code = """
        import os, sys
        os.environ["SEAMLESS_BUFFER_SERVER"] = f"http://127.0.0.1:9, {sys.argv[1]}"
        from seamless import Checksum
        print(Checksum(sys.argv[2]).resolve("str"))
    """
    outcome = run_python(code, server.url, named(b'"from afar"\n').hex())
    assert (outcome.stdout, outcome.stderr) == ("from afar\n", "")


@pytest.mark.parametrize("ending", ["", "seamless.close()", "buffer_writer.flush()"])
def test_nothing_is_lost_at_exit_and_no_connection_is_left(
    server: HashserverProcess, ending: str
) -> None:
    code = f"""
        import os, sys
        os.environ["SEAMLESS_BUFFER_SERVER"] = sys.argv[1]
        import seamless
        from seamless import Buffer
        from seamless.caching import buffer_writer
        for number in range(40):
            Buffer(b"exit {ending} %d" % number).tempref()
        {ending}
    """
    outcome = run_python(code, server.url)
    assert (outcome.stdout, outcome.stderr) == ("", "")
    for number in range(40):
        content = f"exit {ending} {number}".encode()
        assert server.get(named(content).hex()) == content


def test_a_forked_child_makes_its_own_connections(server: HashserverProcess) -> None:
    code = """
        import asyncio, os, sys, warnings
        os.environ["SEAMLESS_BUFFER_SERVER"] = sys.argv[1]
        from seamless import Buffer
        warnings.simplefilter("ignore", DeprecationWarning)
        assert asyncio.run(Buffer(b"by the parent").write())
        child = os.fork()
        if child == 0:
            assert asyncio.run(Buffer(b"by the child").write())
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        assert asyncio.run(Buffer(b"by the parent again").write())
    """
    assert run_python(code, server.url).stderr == ""
    for content in (b"by the parent", b"by the child", b"by the parent again"):
        assert server.get(named(content).hex()) == content


def test_many_threads_share_a_client_that_others_close(server: HashserverProcess) -> None:
    errors: list[BaseException] = []

    def work(thread: int) -> None:
        try:
            for number in range(20):
                content = b"thread %d, %d" % (thread, number)
                assert asyncio.run(Buffer(content).write()) is True
                assert named(content).resolve().content == content
                if thread == 0:
                    seamless.remote.close_connections()
        except BaseException as error:  # noqa: BLE001 - asserted below
            errors.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []


# -- where a buffer is ----------------------------------------------------------------


def test_find_tells_which_server_has_a_buffer(server: HashserverProcess, tmp_path: Path) -> None:
    seamless.remote.configure(
        directory=tmp_path, read_servers="http://127.0.0.1:9", write_servers=server.url
    )
    place(server, b"found there", name=named(b"found there"))
    found = named(b"found there").find()
    assert found is not None
    assert [(at.kind, at.where) for at in found] == [
        ("server", f"{server.url}/{named(b'found there')}")
    ]
    reported = named(b"found there").find(verbose=True)
    assert reported is not None
    assert [(at.kind, at.outcome) for at in reported] == [
        ("trivial", "no"),
        ("cache", "no"),
        ("directory", "no"),
        ("server", "can't connect"),
        ("server", "found"),
    ]


# -- accidents ------------------------------------------------------------------------


def test_a_server_that_is_gone_is_told_in_the_miss(mortal: HashserverProcess) -> None:
    mortal.kill()
    with pytest.raises(CacheMissError) as miss:
        named(b"out of reach").resolve()
    assert miss.value.tried == (("cache", "no"), (mortal.url, "can't connect"))


def test_the_next_server_is_tried(mortal: HashserverProcess, tmp_path: Path) -> None:
    with HashserverProcess(tmp_path / "second") as second:
        place(second, b"on the second", name=named(b"on the second"))
        seamless.remote.configure(directory=(), read_servers=[mortal.url, second.url])
        assert named(b"on the second").resolve().content == b"on the second"
        mortal.kill()
        place(second, b"again there", name=named(b"again there"))
        assert named(b"again there").resolve().content == b"again there"


def test_a_buffer_goes_to_every_write_server_that_is_there(
    mortal: HashserverProcess, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with HashserverProcess(tmp_path / "second") as second:
        seamless.remote.configure(directory=(), write_servers=[mortal.url, second.url])
        assert asyncio.run(Buffer(b"everywhere").write()) is True
        assert mortal.get(named(b"everywhere").hex()) == second.get(named(b"everywhere").hex())
        mortal.kill()
        with caplog.at_level(logging.WARNING, "seamless"):
            assert asyncio.run(Buffer(b"on one").write()) is True
        assert second.get(named(b"on one").hex()) == b"on one"
        assert named(b"on one").hex() in caplog.text


def test_a_damaged_copy_on_the_server_is_never_taken_for_a_stored_buffer(
    server: HashserverProcess,
) -> None:
    place(server, b"something else", name=named(b"wanted"))
    with pytest.raises(CacheMissError):
        named(b"wanted").resolve()
    with pytest.raises(ConnectionError, match="has other content"):
        asyncio.run(Buffer(b"wanted").write())


def test_a_damaged_compressed_copy_is_quarantined_and_told_once(
    server: HashserverProcess, caplog: pytest.LogCaptureFixture
) -> None:
    place(server, zstandard.compress(b"other"), name=named(b"right"), suffix=".zst")
    for _ in range(2):
        with pytest.raises(CacheMissError) as miss:
            named(b"right").resolve()
        assert miss.value.tried[-1] == (server.url, "wrong content")
    assert len([r for r in caplog.records if named(b"right").hex() in r.getMessage()]) == 1
    # written anew, it is believed again
    assert asyncio.run(Buffer(b"right").write()) is True
    assert named(b"right").resolve().content == b"right"


def test_a_read_only_server_refuses_and_that_is_told(tmp_path: Path) -> None:
    with HashserverProcess(tmp_path / "buffers", writable=False) as server:
        seamless.remote.configure(directory=(), write_servers=server.url)
        with pytest.raises(ConnectionError, match="HTTP 4"):
            asyncio.run(Buffer(b"refused").write())
    seamless.remote.configure()


@pytest.mark.crash
def test_an_upload_that_another_breaks_off_is_made_whole(server: HashserverProcess) -> None:
    content = b"half sent " * 100_000
    with socket.create_connection(("127.0.0.1", server.port)) as other:
        head = (
            f"PUT /{named(content)} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(content)}\r\n\r\n"
        )
        other.sendall(head.encode() + content[:1000])
        while not list(server.folder.glob(f"??/{named(content)}*")):
            time.sleep(0.01)  # the server has taken it up
        buffer = Buffer(content)
        buffer.tempref()
        time.sleep(0.2)
    buffer_writer.flush()
    assert server.get(named(content).hex()) == content


@pytest.mark.crash
def test_an_upload_that_is_cut_off_is_told_once_and_made_good(
    mortal: HashserverProcess, capfd: pytest.CaptureFixture[str]
) -> None:
    buffer = Buffer(b"z" * 100_000_000)
    buffer.tempref()
    while not list(mortal.folder.glob(f"??/{buffer.checksum}-*")):
        time.sleep(0.001)  # until the first bytes have come
    mortal.kill()
    assert not list(mortal.folder.glob(f"??/{buffer.checksum}"))
    buffer_writer.flush()
    buffer_writer.flush()
    reported = capfd.readouterr()
    assert reported.out == ""
    assert reported.err.count(buffer.checksum.hex()) == 1
    mortal.start()
    buffer_writer.flush()
    assert mortal.get(buffer.checksum.hex()) == buffer.content
    assert capfd.readouterr().err == ""


def test_buffers_are_copied_to_and_from_it(server: HashserverProcess, tmp_path: Path) -> None:
    content = b"copied there and back"
    first, second = BufferDirectory(tmp_path / "first"), BufferDirectory(tmp_path / "second")
    first.write(named(content).hex(), content)
    assert main(["copy", str(first.path), server.url, named(content).hex()]) == 0
    assert main(["copy", server.url, str(second.path), named(content).hex()]) == 0
    assert second.read(named(content).hex()).content == content
    assert main(["verify", str(second.path)]) == 0
