"""Shutdown. Most tests run in processes of their own, because closing is final there."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest
from fake_hashserver import Script, answering, running
from python_runs import run_python

import seamless

if TYPE_CHECKING:
    from pathlib import Path


def test_closing_is_silent_and_may_be_repeated() -> None:
    outcome = run_python("import seamless; seamless.close(); assert seamless.close() is None")
    assert (outcome.stdout, outcome.stderr) == ("", "")


def test_an_exit_without_a_required_close_is_silent() -> None:
    outcome = run_python("import seamless; seamless.ensure_open('x', mark_required=False)")
    assert (outcome.stdout, outcome.stderr) == ("", "")


def test_an_exit_with_a_missing_close_is_reported_and_closes() -> None:
    code = """
        import seamless
        seamless.register_close_hook(lambda: print("hook", seamless._closed))
        seamless.ensure_open("computing")
    """
    outcome = run_python(code)
    assert outcome.stdout == "hook True\n"
    assert outcome.stderr.startswith("[seamless.close] close() should have been called")
    assert len(outcome.stderr.splitlines()) == 1


def test_after_closing_ensure_open_raises_with_the_phrase() -> None:
    code = """
        import seamless
        seamless.ensure_open("computing", mark_required=False)
        seamless.close()
        for arguments in (("computing",), ()):
            try:
                seamless.ensure_open(*arguments)
            except RuntimeError as error:
                print(error)
    """
    lines = run_python(code).stdout.splitlines()
    assert len(lines) == 2
    assert all("Seamless has been closed" in line for line in lines)
    assert "computing" in lines[0]


def test_hooks_run_in_order_after_the_flag_is_set_and_their_errors_are_swallowed() -> None:
    code = """
        import seamless
        seamless.register_close_hook(lambda: print("first", seamless._closed))
        seamless.register_close_hook(lambda: 1 / 0)
        seamless.register_close_hook(lambda: print("last"))
        seamless.close()
    """
    outcome = run_python(code)
    assert outcome.stdout == "first True\nlast\n"
    assert outcome.stderr == ""


@pytest.mark.parametrize("error", ["SystemExit(3)", "KeyboardInterrupt", "GeneratorExit"])
def test_a_hook_that_raises_system_exit_loses_no_buffer(error: str, tmp_path: Path) -> None:
    code = f"""
        import seamless
        def hook():
            raise {error}
        seamless.register_close_hook(hook)
        seamless.Buffer(b"queued").tempref()
        seamless.close()
        print("closed")
    """
    outcome = run_python(code, directory=tmp_path)
    assert (outcome.stdout, outcome.stderr) == ("closed\n", "")
    name = hashlib.sha256(b"queued").hexdigest()
    assert (tmp_path / name[:2] / name).read_bytes() == b"queued"


def test_a_hook_has_to_be_callable() -> None:
    with pytest.raises(TypeError, match="int"):
        seamless.register_close_hook(5)  # type: ignore[arg-type]  # the point of the test


def test_closing_from_a_hook_does_not_recur() -> None:
    code = """
        import seamless
        seamless.register_close_hook(lambda: (print("hook"), seamless.close()))
        seamless.close()
    """
    assert run_python(code).stdout == "hook\n"


def test_after_closing_buffers_have_checksums_but_are_not_stored() -> None:
    code = """
        import asyncio, seamless
        from seamless import Buffer
        seamless.close()
        buffer = Buffer(b"late")
        buffer.get_checksum()
        for late in (buffer.tempref, buffer.incref, lambda: asyncio.run(buffer.write())):
            try:
                late()
            except RuntimeError as error:
                print("Seamless has been closed" in str(error))
        buffer.tempref(scratch=True)
        seamless.Checksum("12" * 32).incref()
    """
    assert run_python(code).stdout == "True\n" * 3


def test_resetting_the_flags_opens_seamless_again(tmp_path: Path) -> None:
    code = """
        import seamless
        from seamless import Buffer
        for turn in range(3):
            Buffer(b"turn %d" % turn).tempref()
            seamless.close()
            assert seamless._closed and seamless.shutdown._closed
            seamless._closed = seamless._require_close = False
            seamless.shutdown._closed = seamless.shutdown._closing = False
    """
    run_python(code, directory=tmp_path)
    stored = {path.read_bytes() for path in tmp_path.glob("??/*")}
    assert stored == {b"turn 0", b"turn 1", b"turn 2"}


def test_closing_does_nothing_in_a_worker() -> None:
    code = """
        import seamless
        seamless.set_is_worker()
        seamless.register_close_hook(lambda: print("hook"))
        seamless.close()
        print(seamless._closed)
    """
    assert run_python(code).stdout == "False\n"


def test_closing_does_nothing_in_a_child_of_multiprocessing() -> None:
    code = """
        import multiprocessing, seamless

        def child():
            seamless.close()
            print(seamless._closed, flush=True)

        process = multiprocessing.get_context("fork").Process(target=child)
        process.start()
        process.join()
    """
    assert run_python(code).stdout == "False\n"


def test_failed_uploads_are_reported_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    code = """
        import seamless
        seamless.Buffer(b"homeless").tempref()
        seamless.close()
    """
    outcome = run_python(code, directory=tmp_path / "file" / "folder")
    assert outcome.stdout == ""
    assert outcome.stderr.startswith("[seamless.close] 1 buffer could not be written")
    assert len(outcome.stderr.splitlines()) == 1


def test_closing_works_from_a_daemon_thread() -> None:
    code = """
        import threading, seamless
        thread = threading.Thread(target=seamless.close, daemon=True)
        thread.start()
        thread.join()
        print(seamless._closed)
    """
    assert run_python(code).stdout == "True\n"


def test_the_worker_pool_of_seamless_transformer_is_shut_down() -> None:
    code = """
        import asyncio, sys, threading, types
        import seamless

        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=loop.run_forever)
        thread.start()

        class Handle:
            restart, closing = True, False
            ready_event = asyncio.Event()
            async def wait_until_ready(self):
                print("waited")
            async def request(self, kind, payload, *, timeout):
                print("request", kind, payload, self.restart, self.closing)

        class Registry:
            async def reset_pid(self, pid):
                print("reset")
            async def close(self):
                print("registry closed")

        class Shm:
            def close(self):
                print("shm closed")
            def unlink(self):
                raise FileNotFoundError

        manager = types.SimpleNamespace(_closing=False, memory_registry=Registry())
        pool = types.SimpleNamespace(
            _closing=False, _manager=manager, _handles=[Handle()], loop=loop,
            _pointers={1: types.SimpleNamespace(shm=Shm())},
        )
        worker = types.ModuleType("seamless_transformer.worker")
        worker._worker_manager = pool
        worker.has_spawned = lambda: True
        worker.shutdown_workers = lambda: print("shut down", pool._closing, manager._closing)
        sys.modules["seamless_transformer.worker"] = worker
        client = types.ModuleType("seamless_remote.client")
        client.close_all_clients = lambda: print("clients", seamless.ensure_open("closing clients"))
        sys.modules["seamless_remote.client"] = client
        seamless.close()
        print(pool._pointers)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
    """
    outcome = run_python(code)
    assert outcome.stdout.splitlines() == [
        "waited",
        "request quiet None False True",
        "shut down True True",
        "clients None",
        "reset",
        "registry closed",
        "shm closed",
        "{}",
    ]
    assert outcome.stderr == ""


def test_a_step_that_fails_does_not_stop_the_others() -> None:
    code = """
        import sys, types
        import seamless
        worker = types.ModuleType("seamless_transformer.worker")
        worker.has_spawned = lambda: 1 / 0
        sys.modules["seamless_transformer.worker"] = worker
        client = types.ModuleType("seamless_remote.client")
        client.close_all_clients = lambda: print("clients")
        sys.modules["seamless_remote.client"] = client
        seamless.close()
    """
    outcome = run_python(code)
    assert outcome.stdout == "clients\n"
    assert outcome.stderr == (
        "[seamless.close] shutting down workers: ZeroDivisionError: division by zero\n"
    )


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
