from __future__ import annotations

import asyncio
import contextlib
import contextvars
import threading

import pytest
from python_runs import run_python

from seamless.util.run_sync import in_daemon_thread, outside_main_thread, run_sync

variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")


async def thread_name() -> str:
    await asyncio.sleep(0)
    return threading.current_thread().name


async def fail() -> None:
    raise ZeroDivisionError("inside")


async def through_run_sync() -> str:
    return run_sync(thread_name)


def test_without_a_loop_it_runs_in_this_thread() -> None:
    assert run_sync(thread_name) == threading.current_thread().name


def test_inside_a_loop_it_runs_in_another_thread() -> None:
    assert asyncio.run(through_run_sync()) != threading.current_thread().name


def test_the_current_loop_of_the_thread_stays_unchanged() -> None:
    mine = asyncio.new_event_loop()
    asyncio.set_event_loop(mine)
    try:
        run_sync(thread_name)
        assert mine.run_until_complete(thread_name()) == threading.current_thread().name
    finally:
        asyncio.set_event_loop(None)
        mine.close()


def test_errors_are_raised_in_the_caller() -> None:
    async def inside() -> None:
        run_sync(fail)

    with pytest.raises(ZeroDivisionError, match="inside"):
        run_sync(fail)
    with pytest.raises(ZeroDivisionError, match="inside"):
        asyncio.run(inside())


def test_context_variables_are_visible() -> None:
    async def read() -> str:
        return variable.get()

    async def inside() -> str:
        variable.set("mine")
        return run_sync(read)

    assert asyncio.run(inside()) == "mine"


def test_at_end_is_called_in_the_loop_and_its_tasks_are_awaited() -> None:
    done: list[str] = []

    async def close_connection() -> None:
        await asyncio.sleep(0.001)
        done.append("closed")

    tasks: list[asyncio.Task[None]] = []
    run_sync(
        thread_name,
        at_end=lambda: tasks.append(asyncio.get_running_loop().create_task(close_connection())),
    )
    assert done == ["closed"]


def test_tasks_that_exceed_the_time_limit_are_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    from seamless.util import run_sync as module

    monkeypatch.setattr(module.settle_tasks, "__defaults__", (0.001,))
    tasks: list[asyncio.Task[bool]] = []

    async def leave_one_behind() -> None:
        tasks.append(asyncio.create_task(asyncio.Event().wait()))

    run_sync(leave_one_behind)
    assert tasks[0].cancelled()


def test_a_task_that_ignores_its_cancellation_does_not_block_the_caller(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from seamless.util import run_sync as module

    monkeypatch.setattr(module.settle_tasks, "__defaults__", (0.01,))
    over: list[asyncio.Event] = []

    async def ignore_cancellation() -> None:
        over.append(asyncio.Event())
        while not over[0].is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await over[0].wait()

    async def leave_one_behind() -> str:
        tasks.append(asyncio.create_task(ignore_cancellation()))
        await asyncio.sleep(0)
        return "result"

    tasks: list[asyncio.Task[None]] = []
    assert run_sync(leave_one_behind) == "result"
    tasks[0].get_coro().close()  # the interpreter does so at its end


# -- in a daemon thread ---------------------------------------------------------------


def test_a_blocking_function_runs_beside_the_loop() -> None:
    released = threading.Event()

    async def both() -> str:
        waiting = asyncio.ensure_future(in_daemon_thread(lambda: released.wait(30)))
        await asyncio.sleep(0)
        released.set()
        assert await waiting is True
        return await in_daemon_thread(lambda: threading.current_thread().name)

    assert asyncio.run(both()) != threading.current_thread().name


def test_errors_of_a_blocking_function_are_raised_in_the_caller() -> None:
    with pytest.raises(ZeroDivisionError):
        asyncio.run(in_daemon_thread(lambda: 1 // 0))


def test_a_cancelled_waiter_leaves_the_function_running() -> None:
    released, ended = threading.Event(), threading.Event()

    def work() -> None:
        released.wait(30)
        ended.set()

    async def give_up() -> None:
        await asyncio.wait_for(in_daemon_thread(work), 0.001)

    with pytest.raises(asyncio.TimeoutError):
        asyncio.run(give_up())
    released.set()
    assert ended.wait(30)


def test_a_blocking_function_runs_while_python_exits() -> None:
    code = """
        import asyncio, atexit
        from seamless.util.run_sync import in_daemon_thread
        atexit.register(lambda: asyncio.run(in_daemon_thread(lambda: print("done", flush=True))))
    """
    assert run_python(code).stdout == "done\n"


# -- outside the main thread ----------------------------------------------------------


def test_the_main_thread_uses_a_helper_thread_and_other_threads_do_not() -> None:
    names: list[str] = []
    assert outside_main_thread(threading.current_thread) is not threading.main_thread()

    def work() -> None:
        names.append(outside_main_thread(lambda: threading.current_thread().name))

    thread = threading.Thread(target=work, name="mine")
    thread.start()
    thread.join()
    assert names == ["mine"]


def test_if_no_thread_can_start_the_function_runs_in_this_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread at interpreter shutdown")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    assert outside_main_thread(threading.current_thread) is threading.main_thread()
    assert asyncio.run(in_daemon_thread(threading.current_thread)) is threading.main_thread()


def test_a_function_runs_once_if_starting_its_thread_seems_to_fail(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Raise an error as Ctrl-C within `start` does."""
    start = threading.Thread.start
    calls: list[str] = []

    def start_and_fail(thread: threading.Thread) -> None:
        start(thread)
        thread.join()
        raise RuntimeError("cannot release un-acquired lock")

    monkeypatch.setattr(threading.Thread, "start", start_and_fail)
    outside_main_thread(lambda: calls.append("called"))
    asyncio.run(in_daemon_thread(lambda: calls.append("called too")))
    assert calls == ["called", "called too"]
