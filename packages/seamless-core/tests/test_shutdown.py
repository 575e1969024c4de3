"""Shutdown. Most tests run in processes of their own, because closing is final there."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest
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
