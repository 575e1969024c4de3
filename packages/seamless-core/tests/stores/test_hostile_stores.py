"""Hostile servers and folders: time and memory of the stores are bounded."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import hashlib
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import zstandard
from fake_hashserver import Script, answering, running
from hostile_stores import CONTENT, HANGS, MAX_SIZE, NAME, TIMEOUT
from python_runs import run_python

from seamless import Buffer, CacheMissError, Checksum, remote
from seamless.caching import buffer_writer
from seamless.errors import BufferServerError
from seamless.stores.directory import BufferDirectory
from seamless.stores.hashserver import HashServer
from seamless.stores.receiving import KEPT_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hostile_stores import HostileFolder, HostileServer


@pytest.fixture(autouse=True)
def in_time() -> Iterator[None]:
    begin = time.monotonic()
    yield
    assert time.monotonic() - begin < HANGS


@pytest.fixture
def configured(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for variable in ("DIR", "SERVER", "MAX_SIZE"):
        monkeypatch.delenv(f"SEAMLESS_BUFFER_{variable}", raising=False)
    yield
    buffer_writer.purge()
    remote.configure()


@pytest.fixture
def server(hostile_server: HostileServer) -> Iterator[HashServer]:
    made = HashServer(hostile_server.url, TIMEOUT, MAX_SIZE)
    yield made
    made.close()


@pytest.fixture
def directory(hostile_folder: HostileFolder) -> BufferDirectory:
    return BufferDirectory(hostile_folder.path, timeout=TIMEOUT, max_size=MAX_SIZE)


# -- servers --------------------------------------------------------------------------


@pytest.mark.parametrize("length", [None, len(CONTENT)], ids=["length unknown", "length known"])
def test_reading_from_a_hostile_server_ends_with_an_outcome(
    hostile_server: HostileServer, server: HashServer, length: int | None
) -> None:
    answer = server.read(NAME, length)
    assert answer.content is None
    if length is None:
        assert answer.outcome.startswith(hostile_server.outcome)
    else:
        assert answer.outcome.split()[0] in {"wrong", "timeout", "garbage", "HTTP"}


def test_locate_on_a_hostile_server_ends_with_an_outcome(server: HashServer) -> None:
    outcome, _ = server.locate(NAME)
    assert outcome
    assert outcome not in {"found", "no"}


def test_writing_to_a_hostile_server_ends(server: HashServer) -> None:
    with contextlib.suppress(BufferServerError):  # some respond 200: they have the buffer
        server.write(NAME, CONTENT)


@pytest.mark.usefixtures("configured")
def test_after_a_hostile_server_the_next_is_asked(hostile_server: HostileServer) -> None:
    with running(Script(answering(CONTENT))) as good:
        urls = [hostile_server.url, good.url]
        remote.configure(read_servers=urls, timeout=TIMEOUT, max_size=MAX_SIZE)
        assert Checksum(NAME).resolve().content == CONTENT
        remote.configure()


# -- folders --------------------------------------------------------------------------


def test_reading_from_a_hostile_folder_ends_with_an_outcome(
    hostile_folder: HostileFolder, directory: BufferDirectory
) -> None:
    answer = directory.read(NAME)
    assert (answer.content, answer.outcome) == (None, hostile_folder.outcome)


def test_reading_a_known_length_from_a_hostile_folder_ends(directory: BufferDirectory) -> None:
    assert directory.read(NAME, len(CONTENT)).content is None


def test_locate_in_a_hostile_folder_ends(directory: BufferDirectory) -> None:
    assert directory.locate(NAME)[0]


def test_writing_to_a_hostile_folder_repairs_the_entry_or_fails(
    hostile_folder: HostileFolder, directory: BufferDirectory
) -> None:
    if hostile_folder.entry.is_dir():
        with pytest.raises(OSError, match=NAME):
            directory.write(NAME, CONTENT)
        return
    directory.write(NAME, CONTENT)
    assert directory.read(NAME).content == CONTENT
    assert (directory.path / NAME[:2] / NAME).read_bytes() == CONTENT


@pytest.mark.usefixtures("configured")
def test_after_a_hostile_folder_the_next_is_asked(
    hostile_folder: HostileFolder, tmp_path: Path
) -> None:
    BufferDirectory(tmp_path / "good").write(NAME, CONTENT)
    folders = [hostile_folder.path, tmp_path / "good"]
    remote.configure(directory=folders, timeout=TIMEOUT, max_size=MAX_SIZE)
    assert Checksum(NAME).resolve().content == CONTENT


# -- limits ---------------------------------------------------------------------------


def named(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize(("more", "found"), [(0, True), (1, False)])
@pytest.mark.parametrize("suffix", ["", ".gz", ".zst"])
def test_a_buffer_of_exactly_the_maximum_size_is_read(
    tmp_path: Path, more: int, found: bool, suffix: str
) -> None:
    content = b"x" * (1000 + more)
    forms = {"": content, ".gz": gzip.compress(content), ".zst": zstandard.compress(content)}
    (tmp_path / (named(content) + suffix)).write_bytes(forms[suffix])
    answer = BufferDirectory(tmp_path, max_size=1000).read(named(content))
    assert answer.outcome == ("found" if found else "too large")
    script = Script(answering(content))
    with running(script):
        server = HashServer(script.url, max_size=1000)
        assert server.read(named(content)).outcome == ("found" if found else "too large")
        server.close()


@pytest.mark.usefixtures("configured")
def test_the_limit_comes_from_the_environment_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    BufferDirectory(tmp_path).write(NAME, CONTENT)
    remote.configure(directory=tmp_path)
    monkeypatch.setenv("SEAMLESS_BUFFER_MAX_SIZE", "13B")
    with pytest.raises(CacheMissError) as miss:
        Checksum(NAME).resolve()
    assert "too large" in miss.value.details()
    monkeypatch.setenv("SEAMLESS_BUFFER_MAX_SIZE", "1kB")
    assert Checksum(NAME).resolve().content == CONTENT


@pytest.mark.usefixtures("configured")
def test_an_invalid_size_limit_is_rejected(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="not a size in bytes"):
        remote.configure(max_size="much")
    remote.configure(directory="/x")
    monkeypatch.setenv("SEAMLESS_BUFFER_MAX_SIZE", "much")
    with pytest.raises(ValueError, match="SEAMLESS_BUFFER_MAX_SIZE"):
        Checksum(NAME).resolve()


def test_content_that_compresses_extremely_well_is_read(tmp_path: Path) -> None:
    content = bytes(KEPT_BYTES + 1)
    (tmp_path / f"{named(content)}.zst").write_bytes(zstandard.compress(content))
    assert BufferDirectory(tmp_path).read(named(content)).content == content


def test_a_wrong_expected_length_does_not_hide_the_buffer_from_others() -> None:
    with running(Script(answering(CONTENT))) as script:
        server = HashServer(script.url)
        assert server.read(NAME, 3).outcome == "wrong content"
        assert server.read(NAME).content == CONTENT
        server.close()


@pytest.mark.usefixtures("configured")
def test_a_known_length_limits_what_a_conversion_fetches() -> None:
    from seamless.checksum.buffer_info import BufferInfo
    from seamless.checksum.conversion import convert, convert_async

    text = b"some text\n"
    checksum = Checksum(named(text))
    with running(Script(answering(text))) as script:
        remote.configure(read_servers=script.url)
        too_short = BufferInfo(checksum, {"length": 3})
        with pytest.raises(CacheMissError):
            convert(checksum, "text", "str", info=too_short)
        with pytest.raises(CacheMissError):
            asyncio.run(convert_async(checksum, "text", "str", info=too_short))
        info = BufferInfo(checksum, {"length": len(text)})
        assert convert(checksum, "text", "str", info=info).resolve("str") == "some text"
        remote.configure()


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads /proc")
def test_memory_is_bounded_without_a_size_limit(tmp_path: Path) -> None:
    """A bomb of 1 GB in 30 kB, which the default limit allows, is hashed and not kept."""
    frame = zstandard.compress(bytes(1 << 26))
    (tmp_path / f"{NAME}.zst").write_bytes(frame * 16)
    code = """
        import sys
        from seamless.stores.directory import BufferDirectory
        from pathlib import Path
        directory = BufferDirectory(Path(sys.argv[1]))
        assert directory.read(sys.argv[2]).outcome == "wrong content"
        # not ru_maxrss, which includes the parent process
        status = Path("/proc/self/status").read_text()
        peak = int(status.partition("VmHWM:")[2].split()[0])
        assert peak < 400_000, f"{peak} kB"
    """
    run_python(code, str(tmp_path), NAME)


# -- nothing is lost ------------------------------------------------------------------


@pytest.mark.usefixtures("configured")
def test_uploads_that_a_hostile_server_rejects_are_kept(
    hostile_server: HostileServer, capsys: pytest.CaptureFixture[str]
) -> None:
    remote.configure(write_servers=hostile_server.url, timeout=TIMEOUT)
    buffer = Buffer(b"to be kept")
    buffer.tempref()
    buffer_writer.flush(HANGS)
    reported = capsys.readouterr().err
    unsent = {upload.checksum for upload in buffer_writer._queue().unsent()}
    assert (buffer.checksum.hex() in reported) == (buffer.checksum in unsent)
