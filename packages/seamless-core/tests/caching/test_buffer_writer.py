from __future__ import annotations

import asyncio
import hashlib
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest
from fake_companions import Server
from fake_hashserver import Script, running
from python_runs import run_python

import seamless
from seamless import Buffer, Checksum, remote
from seamless.caching import buffer_writer
from seamless.caching.buffer_cache import get_buffer_cache
from seamless.caching.buffer_writer import MAX_NAMED
from seamless.caching.upload_queue import Upload, UploadQueue

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def named(content: bytes) -> Checksum:
    return Checksum(hashlib.sha256(content).hexdigest())


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.delenv("SEAMLESS_BUFFER_DIR", raising=False)
    monkeypatch.delenv("SEAMLESS_BUFFER_SERVER", raising=False)
    monkeypatch.setattr(remote, "_missing_packages", set())
    monkeypatch.setattr(seamless, "_require_close", False)
    made = Server()
    made.install(monkeypatch)
    yield made
    made.refusing = False
    buffer_writer.flush()


def test_a_reference_stores_the_buffer(server: Server) -> None:
    Buffer(b"stored by tempref").tempref()
    Buffer(b"stored by incref").incref()
    buffer_writer.flush()
    assert set(server.buffers.values()) == {b"stored by tempref", b"stored by incref"}


def test_a_scratch_reference_does_not_store_the_buffer(server: Server) -> None:
    Buffer(b"scratch tempref").tempref(scratch=True)
    Buffer(b"scratch incref").incref(scratch=True)
    buffer_writer.flush()
    assert server.buffers == {}


def test_resolving_or_computing_a_checksum_does_not_store(server: Server) -> None:
    buffer = Buffer(b"only looked at")
    buffer.get_checksum().resolve()
    buffer_writer.flush()
    assert server.buffers == {}


def test_a_normal_reference_after_a_scratch_one_stores_the_buffer(server: Server) -> None:
    buffer = Buffer(b"stored after all")
    buffer.tempref(scratch=True)
    buffer.get_checksum().incref()
    buffer_writer.flush()
    assert server.buffers == {buffer.checksum.hex(): b"stored after all"}


def test_a_buffer_registered_after_its_reference_is_stored(server: Server) -> None:
    named(b"comes later").incref()
    Buffer(b"comes later").get_checksum()
    buffer_writer.flush()
    assert server.buffers == {named(b"comes later").hex(): b"comes later"}


def test_a_buffer_registered_after_its_scratch_reference_is_not_stored(server: Server) -> None:
    named(b"comes later, scratch").incref(scratch=True)
    Buffer(b"comes later, scratch").get_checksum()
    buffer_writer.flush()
    assert server.buffers == {}


def test_a_stored_buffer_is_not_sent_again(server: Server) -> None:
    buffer = Buffer(b"sent once")
    for _ in range(3):
        buffer.tempref()
        buffer_writer.flush()
    assert server.promised == [buffer.checksum.hex()]


def test_awaiting_returns_the_outcome_or_none_if_nothing_is_pending(server: Server) -> None:
    async def await_two() -> tuple[bool | None, bool | None]:
        buffer = Buffer(b"awaited")
        buffer.tempref()
        first = await buffer_writer.await_existing_task(buffer.checksum)
        buffer_writer.flush()
        return first, await buffer_writer.await_existing_task(buffer.checksum)

    first, second = asyncio.run(await_two())
    assert first in {True, None}  # the upload may have ended before
    assert second is None
    assert named(b"awaited").hex() in server.buffers


def test_flush_works_inside_a_running_loop(server: Server) -> None:
    async def flush() -> None:
        Buffer(b"flushed in a loop").tempref()
        buffer_writer.flush()

    asyncio.run(flush())
    assert named(b"flushed in a loop").hex() in server.buffers


def test_many_loops_write_at_once(server: Server) -> None:
    def work(number: int) -> None:
        async def write() -> None:
            buffer = Buffer(b"loop %d" % number)
            buffer.tempref()
            await buffer_writer.await_existing_task(buffer.checksum)
            assert await buffer.write() is True

        asyncio.run(write())

    threads = [threading.Thread(target=work, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(server.buffers) == 12


def test_write_sync_stores_without_and_inside_a_running_loop(server: Server) -> None:
    async def in_a_notebook() -> bool:
        return Buffer(b"from a notebook").write_sync()

    assert Buffer(b"from a script").write_sync() is True
    assert asyncio.run(in_a_notebook()) is True
    assert set(server.buffers.values()) == {b"from a script", b"from a notebook"}


def test_write_sync_calls_write_of_the_class(monkeypatch: pytest.MonkeyPatch) -> None:
    async def write(buffer: Buffer) -> bool:
        return buffer.content == b"replaced"

    monkeypatch.setattr(Buffer, "write", write)
    assert Buffer(b"replaced").write_sync() is True


def test_a_failure_is_reported_once_with_its_checksum(
    server: Server, capfd: pytest.CaptureFixture[str]
) -> None:
    server.refusing = True
    checksum = Buffer(b"refused")
    checksum.tempref()
    buffer_writer.flush()
    buffer_writer.flush()
    reported = capfd.readouterr()
    assert reported.out == ""
    assert reported.err.count(checksum.checksum.hex()) == 1
    assert "the server is gone" in reported.err
    server.refusing = False
    buffer_writer.flush()
    assert checksum.checksum.hex() in server.buffers


def test_write_raises_the_error_of_the_server(server: Server) -> None:
    server.refusing = True
    with pytest.raises(ConnectionError):
        asyncio.run(Buffer(b"refused now").write())


def test_purging_removes_failed_uploads(server: Server, capfd: pytest.CaptureFixture[str]) -> None:
    server.refusing = True
    Buffer(b"forgotten").tempref()
    buffer_writer.flush()
    buffer_writer.purge()
    server.refusing = False
    buffer_writer.init()
    buffer_writer.flush()
    assert server.buffers == {}
    assert "could not be written" in capfd.readouterr().err


def test_an_upload_marks_the_entry_as_stored(server: Server) -> None:
    buffer = Buffer(b"known to be stored")
    buffer.incref()
    buffer_writer.flush()
    assert get_buffer_cache().strong_cache[buffer.checksum].stored
    assert server.promised


# -- whole processes ------------------------------------------------------------------


def test_without_a_backend_a_process_queues_and_exits_silently() -> None:
    code = """
        import threading
        from seamless import Buffer
        from seamless.caching import buffer_writer
        for number in range(10):
            Buffer(b"%d" % number).tempref()
        buffer_writer.flush()
        buffer_writer.flush(timeout=30.0)
        assert threading.active_count() == 1
    """
    outcome = run_python(code)
    assert (outcome.stdout, outcome.stderr) == ("", "")


def test_nothing_is_lost_at_exit(tmp_path: Path) -> None:
    code = """
        from seamless import Buffer
        for number in range(200):
            Buffer(b"%d" % number).tempref()
    """
    outcome = run_python(code, directory=tmp_path)
    assert (outcome.stdout, outcome.stderr) == ("", "")
    stored = {path.read_bytes() for path in tmp_path.glob("??/*")}
    assert stored == {b"%d" % number for number in range(200)}


def test_many_small_buffers_are_written_at_exit_however_long_that_takes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stored = []

    async def send(batch: list[Buffer]) -> list[bool]:
        await asyncio.sleep(0.03)
        stored.extend(batch)
        return [True]

    queue = UploadQueue(send, lambda: None)
    monkeypatch.setattr(buffer_writer, "_instance", queue)
    monkeypatch.setattr(buffer_writer, "MIN_SHUTDOWN_SECONDS", 0.1)
    for number in range(400):
        made = Buffer(b"%d" % number)
        queue.add(made.get_checksum(), made)
    buffer_writer.shutdown()
    assert len(stored) == 400
    assert queue.unsent() == []


def test_buffers_queued_at_exit_are_written(tmp_path: Path) -> None:
    code = """
        import atexit
        from seamless import Buffer
        atexit.register(lambda: Buffer(b"at the last moment").tempref())
    """
    run_python(code, directory=tmp_path)
    assert named(b"at the last moment").hex() in {path.name for path in tmp_path.glob("??/*")}


def test_failed_uploads_at_exit_are_reported_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    code = """
        from seamless import Buffer
        Buffer(b"homeless").tempref()
    """
    outcome = run_python(code, directory=tmp_path / "file" / "folder")
    assert outcome.stdout == ""
    assert len(outcome.stderr.splitlines()) == 1
    assert outcome.stderr.count(named(b"homeless").hex()) == 1


def test_a_report_names_the_first_error_and_a_limited_number_of_checksums() -> None:
    buffers = [Buffer(b"%d" % number) for number in range(MAX_NAMED + 1)]
    uploads = [
        Upload(each.get_checksum(), each, error=OSError(f"error {number}"))
        for number, each in enumerate(buffers)
    ]
    report = buffer_writer.describe(uploads)
    assert report.startswith(f"{MAX_NAMED + 1} buffers could not be written (OSError: error 0): ")
    assert report.endswith(f"{buffers[-2].get_checksum().hex()} and 1 more")
    assert "more" not in buffer_writer.describe(uploads[:-1])
    assert buffer_writer.describe(uploads[:1]).startswith("1 buffer could not be written")


def test_pending_uploads_are_reported_on_request_and_once(monkeypatch: pytest.MonkeyPatch) -> None:
    may_answer = threading.Event()

    async def send(_: list[Buffer]) -> list[bool]:
        while not may_answer.is_set():  # noqa: ASYNC110 - another thread sets it
            await asyncio.sleep(0.001)
        return [True]

    queue = UploadQueue(send, lambda: None)
    monkeypatch.setattr(buffer_writer, "_instance", queue)
    made = Buffer(b"pending")
    queue.add(made.get_checksum(), made)
    assert buffer_writer.unreported_failures(pending=False) == []
    (upload,) = buffer_writer.unreported_failures()
    assert upload.buffer is made
    assert "(no answer in time)" in buffer_writer.describe([upload])
    assert buffer_writer.unreported_failures() == []
    may_answer.set()
    assert queue.drain(60)
    queue.join(60)


def test_a_forked_child_writes_only_its_own_buffers(tmp_path: Path) -> None:
    code = """
        import os, sys, warnings
        from seamless import Buffer
        from seamless.caching import buffer_writer
        warnings.simplefilter("ignore", DeprecationWarning)
        Buffer(b"of the parent").tempref()
        child = os.fork()
        if child == 0:
            Buffer(b"of the child").tempref()
            buffer_writer.flush()
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        buffer_writer.flush()
    """
    run_python(code, directory=tmp_path)
    stored = {path.read_bytes() for path in tmp_path.glob("??/*")}
    assert stored == {b"of the parent", b"of the child"}


@pytest.mark.parametrize("error", [asyncio.CancelledError, SystemExit, KeyboardInterrupt])
def test_an_upload_that_a_server_aborts_is_reported_and_retried(
    server: Server, error: type[BaseException], capsys: pytest.CaptureFixture[str]
) -> None:
    buffer = Buffer(b"stopped by " + error.__name__.encode())
    server.error = error
    buffer.tempref()
    buffer_writer.flush(60)
    assert buffer.checksum.hex() in capsys.readouterr().err
    server.error = None
    buffer_writer.flush(60)
    assert server.buffers == {buffer.checksum.hex(): buffer.content}


# -- reports --------------------------------------------------------------------------


def test_an_upload_that_fails_after_a_flush_is_reported() -> None:
    script = Script()
    script.behaviours = [script.silent]
    with running(script):
        code = """
            import sys
            from seamless import Buffer, remote
            from seamless.caching import buffer_writer

            remote.configure(write_servers=sys.argv[1], timeout=1)
            Buffer(b"under way").tempref()
            buffer_writer.flush(0.1)
            print("flushed", file=sys.stderr, flush=True)
        """
        reported = run_python(code, script.url).stderr
    before, _, after = reported.partition("flushed\n")
    assert before == ""
    assert after.count(named(b"under way").hex()) == 1


@pytest.mark.parametrize("ending", ["buffer_writer.flush()", "seamless.close()", "pass"])
@pytest.mark.parametrize("stderr", ["2>&-", "2>/dev/full"])
def test_a_broken_stderr_is_ignored(stderr: str, ending: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    code = f"""
import seamless.remote, sys
from seamless.caching import buffer_writer
seamless.remote.configure(directory=sys.argv[1])
seamless.Buffer(b"can't be stored").tempref()
{ending}
print("done")
"""
    command = f'"$0" -c "$1" "$2" {stderr}'
    arguments = [sys.executable, code, str(tmp_path / "file" / "folder")]
    outcome = subprocess.run(["sh", "-c", command, *arguments], capture_output=True, check=False)
    assert outcome.stdout == b"done\n"
