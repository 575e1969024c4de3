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
        def hook():
            print("hook")
            seamless.close()
            seamless._closed = False  # as tests of companion packages do
            seamless.close()
            seamless._closed = True
        seamless.register_close_hook(hook)
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
        assert not seamless.shutdown._closed
        for turn in range(3):
            Buffer(b"turn %d" % turn).tempref()
            seamless.close()
            assert seamless._closed and seamless.shutdown._closed
            seamless._closed = seamless._require_close = False
            if turn:  # older tests reset these too
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
                print("shm unlinked")
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
        try:
            seamless.ensure_open()
        except RuntimeError:
            print("closed")
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
        "shm unlinked",
        "{}",
        "closed",
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


#: a pool whose event loop is in `loop`, and whose worker fails after `shutdown` has begun
POOL = """
    import asyncio, logging, multiprocessing.util, os, sys, threading, types
    import seamless

    class Handle:
        ready_event = threading.Event()
        async def wait_until_ready(self):
            raise ConnectionError("the worker is dead")
        async def request(self, kind, payload, *, timeout):
            raise ConnectionError("the worker is dead")

    def close_with(loop):
        manager = types.SimpleNamespace()
        pool = types.SimpleNamespace(_manager=manager, _handles=[Handle()], loop=loop)
        worker = types.ModuleType("seamless_transformer.worker")
        worker._worker_manager = pool
        worker.has_spawned = lambda: False
        worker.shutdown_workers = lambda: print("not reached")
        sys.modules["seamless_transformer.worker"] = worker
        seamless.close()
        seamless._closed = False

"""


def test_the_call_of_a_worker_that_does_not_get_ready_is_cancelled() -> None:
    code = """
    from seamless import shutdown_steps
    shutdown_steps.READY_SECONDS = 0.05

    class Handle(Handle):
        async def wait_until_ready(self):
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                print("cancelled")

    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, daemon=True).start()
    close_with(loop)
    asyncio.run_coroutine_threadsafe(asyncio.sleep(0), loop).result()
    """
    outcome = run_python(POOL + code)
    assert (outcome.stdout, outcome.stderr) == ("cancelled\n", "")


def test_a_pool_without_a_running_loop_is_closed_silently() -> None:
    code = """
    close_with(None)
    loop = asyncio.new_event_loop()
    close_with(loop)
    loop.close()
    """
    outcome = run_python(POOL + code)
    assert (outcome.stdout, outcome.stderr) == ("", "")


@pytest.mark.parametrize("debug", ["", "1"])
def test_errors_of_dead_workers_are_shown_for_debugging_only(debug: str) -> None:
    code = f"""
    os.environ["SEAMLESS_DEBUG_SHUTDOWN"] = {debug!r}
    seamless.register_close_hook(lambda: 1 / 0)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    close_with(loop)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()
    """
    lines = run_python(POOL + code).stderr.splitlines()
    if not debug:
        assert lines == []
        return
    assert lines[:2] == [
        "[seamless.close] close hook",
        "[seamless.close] close hook: ZeroDivisionError('division by zero')",
    ]
    assert lines.count("[seamless.close] worker pool: ConnectionError('the worker is dead')") == 2
    assert "[seamless.close] ending multiprocessing" in lines


def test_loggers_of_stopped_workers_are_silent_only_while_it_closes() -> None:
    code = """
    logging.basicConfig(format="%(message)s")
    logger = logging.getLogger("seamless_transformer.process.manager")
    seamless.register_close_hook(lambda: logger.warning("during"))
    logger.warning("before")
    close_with(None)
    logger.warning("after")
    """
    assert run_python(POOL + code).stderr == "before\nafter\n"


def test_finalizers_of_multiprocessing_run_when_it_closes() -> None:
    code = """
    multiprocessing.util.Finalize(None, print, args=("finalized",), exitpriority=1)
    seamless.close()
    print("closed")
    """
    assert run_python(POOL + code).stdout == "finalized\nclosed\n"


def test_a_second_close_gives_up_when_a_hook_waits_for_it() -> None:
    code = """
    seamless.shutdown.WAIT_SECONDS = 0.05
    def hook():
        thread = threading.Thread(target=seamless.close)
        thread.start()
        thread.join()
        print("hook")
    seamless.register_close_hook(hook)
    seamless.close()
    """
    outcome = run_python(POOL + code)
    assert (outcome.stdout, outcome.stderr) == ("hook\n", "")
