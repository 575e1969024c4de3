"""Closing by several threads, in a running event loop, in forked children, after reopening."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fake_hashserver import Script, answering, running
from python_runs import run_python

if TYPE_CHECKING:
    from pathlib import Path


# -- in any order and any thread ------------------------------------------------------


def stored(directory: Path) -> set[bytes]:
    return {path.read_bytes() for path in directory.glob("??/*")}


def test_a_second_close_waits_for_the_first(tmp_path: Path) -> None:
    code = """
        import threading, seamless
        from seamless import Buffer
        begun, go_on = threading.Event(), threading.Event()
        seamless.register_close_hook(lambda: (begun.set(), go_on.wait(60)))
        Buffer(b"queued before").tempref()
        first = threading.Thread(target=seamless.close, daemon=True)
        first.start()
        begun.wait(60)
        second = threading.Thread(target=lambda: (seamless.close(), print("second")))
        second.start()
        second.join(0.05)
        print("first goes on", second.is_alive())
        go_on.set()
        second.join()
    """
    outcome = run_python(code, directory=tmp_path)
    assert outcome.stdout == "first goes on True\nsecond\n"
    assert outcome.stderr == ""
    assert stored(tmp_path) == {b"queued before"}


def test_an_exit_waits_for_the_close_of_a_daemon_thread(tmp_path: Path) -> None:
    code = """
        import threading, time, seamless
        from seamless import Buffer
        begun = threading.Event()
        seamless.register_close_hook(lambda: (begun.set(), time.sleep(0.3)))
        for number in range(50):
            Buffer(b"%d" % number).tempref()
        threading.Thread(target=seamless.close, daemon=True).start()
        begun.wait(60)
    """
    outcome = run_python(code, directory=tmp_path)
    assert (outcome.stdout, outcome.stderr) == ("", "")
    assert stored(tmp_path) == {b"%d" % number for number in range(50)}


def test_many_threads_may_close_at_once(tmp_path: Path) -> None:
    code = """
        import threading, seamless
        from seamless import Buffer
        seamless.register_close_hook(lambda: print("hook"))
        for number in range(50):
            Buffer(b"%d" % number).tempref()
        threads = [threading.Thread(target=seamless.close) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    """
    outcome = run_python(code, directory=tmp_path)
    assert (outcome.stdout, outcome.stderr) == ("hook\n", "")
    assert len(stored(tmp_path)) == 50


def test_closing_inside_a_running_loop_works(tmp_path: Path) -> None:
    code = """
        import asyncio, seamless
        from seamless import Buffer
        async def main():
            Buffer(b"in a loop").tempref()
            seamless.close()
        asyncio.run(main())
    """
    assert run_python(code, directory=tmp_path).stderr == ""
    assert stored(tmp_path) == {b"in a loop"}


def test_a_flush_after_closing_retries_failed_uploads(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    code = """
        import os, sys, seamless
        from seamless import Buffer
        from seamless.caching import buffer_writer
        Buffer(b"late, but stored").tempref()
        seamless.close()
        os.environ["SEAMLESS_BUFFER_DIR"] = sys.argv[1]
        buffer_writer.flush()
        buffer_writer.flush()
    """
    good = tmp_path / "good"
    good.mkdir()
    outcome = run_python(code, str(good), directory=tmp_path / "file" / "folder")
    assert len(outcome.stderr.splitlines()) == 1  # what close could not write
    assert stored(good) == {b"late, but stored"}


def test_a_worker_neither_closes_nor_reports_at_exit() -> None:
    code = """
        import seamless
        seamless.register_close_hook(lambda: print("hook"))
        seamless.ensure_open("computing")
        seamless.set_is_worker()
    """
    outcome = run_python(code)
    assert (outcome.stdout, outcome.stderr) == ("", "")


def test_a_forked_child_does_not_wait_for_its_parents_close() -> None:
    code = """
        import os, signal, threading, warnings, seamless
        warnings.simplefilter("ignore", DeprecationWarning)
        begun, go_on = threading.Event(), threading.Event()
        seamless.register_close_hook(lambda: (begun.set(), go_on.wait(60)))
        thread = threading.Thread(target=seamless.close)
        thread.start()
        begun.wait(60)
        child = os.fork()
        if child == 0:
            signal.alarm(20)
            seamless.close()
            os._exit(0)
        print(os.waitpid(child, 0)[1])
        go_on.set()
        thread.join()
    """
    assert run_python(code).stdout == "0\n"


def test_servers_can_be_used_after_reopening() -> None:
    with running(Script(answering(b"OK"))) as script:
        code = """
            import asyncio, os, sys
            os.environ["SEAMLESS_BUFFER_SERVER"] = sys.argv[1]
            import seamless
            from seamless import Buffer
            for turn in range(3):
                assert asyncio.run(Buffer(b"turn %d" % turn).write())
                seamless.close()
                seamless._closed = seamless._require_close = False
                seamless.shutdown._closed = seamless.shutdown._closing = False
        """
        outcome = run_python(code, script.url)
    assert (outcome.stdout, outcome.stderr) == ("", "")
    assert len(script.requests) == 3


def test_closing_closes_the_connections_to_servers() -> None:
    with running(Script(answering(b"content", keep=True))) as script:
        code = """
            import hashlib, os, sys
            os.environ["SEAMLESS_BUFFER_SERVER"] = sys.argv[1]
            import seamless
            from seamless import Checksum, remote
            checksum = Checksum(hashlib.sha256(b"content").hexdigest())
            for _ in range(2):
                assert remote.fetch_sync(checksum).content == b"content"
                seamless.close()
                seamless._closed = False
        """
        run_python(code, script.url)
        assert script.connections == 2


def test_a_silent_server_does_not_delay_the_exit() -> None:
    script = Script()
    script.behaviours = [script.silent]
    with running(script):
        code = """
            import os, sys
            os.environ["SEAMLESS_BUFFER_SERVER"] = sys.argv[1]
            from seamless import Buffer
            Buffer(b"never acknowledged").tempref()
        """
        outcome = run_python(code, script.url)
    assert outcome.stdout == ""
    assert len(outcome.stderr.splitlines()) == 1
    assert outcome.stderr.startswith("[seamless] 1 buffer could not be written (no answer in time)")
