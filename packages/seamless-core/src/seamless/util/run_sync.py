"""`run_sync`: runs a coroutine from synchronous code, also inside a running event loop.

Without a running loop, a new loop runs in this thread; the thread's current loop stays unchanged.
Inside a running loop, which can't be entered twice, the new loop runs in a helper thread. The
loop is closed before the call returns.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

__all__ = [
    "in_daemon_thread",
    "outside_main_thread",
    "run_sync",
    "settle_tasks",
    "start_daemon_thread",
]

#: time limit for the tasks that a coroutine leaves running, such as closing connections
SETTLE_SECONDS = 1.0

Result = TypeVar("Result")


def run_sync(
    make_coroutine: Callable[[], Coroutine[Any, Any, Result]],
    *,
    at_end: Callable[[], None] | None = None,
) -> Result:
    """Run the coroutine that `make_coroutine` returns, and return its result.

    Parameters
    ----------
    make_coroutine
        Called in the loop in which the coroutine runs.
    at_end
        Called in the loop after the coroutine; the call waits for tasks that `at_end` starts.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return _run_in_new_loop(make_coroutine, at_end)
    return _run_in_thread(lambda: _run_in_new_loop(make_coroutine, at_end))


def _run_in_new_loop(
    make_coroutine: Callable[[], Coroutine[Any, Any, Result]], at_end: Callable[[], None] | None
) -> Result:
    async def run() -> Result:
        try:
            return await make_coroutine()
        finally:
            if at_end is not None:
                at_end()
            await settle_tasks()

    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(run())
    finally:
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()


async def settle_tasks() -> None:
    """Wait for the other tasks of this loop; cancel those that exceed the time limit."""
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    if not tasks:
        return
    _, late = await asyncio.wait(tasks, timeout=SETTLE_SECONDS)
    for task in late:
        task.cancel()
    if late:  # a task may ignore its cancellation
        await asyncio.wait(late, timeout=SETTLE_SECONDS)


async def in_daemon_thread(function: Callable[[], Result]) -> Result:
    """Run a blocking function as `start_daemon_thread` does, and wait for its result."""
    return await asyncio.wrap_future(start_daemon_thread(function))


def start_daemon_thread(function: Callable[[], Result]) -> Future[Result]:
    """Run a blocking function in a daemon thread, for which the interpreter does not wait.

    If no thread can be started because the interpreter shuts down, the function runs in this one.
    """
    outcome: Future[Result] = Future()
    work = _fulfilling(outcome, function)
    try:
        threading.Thread(target=work, name="seamless-blocking", daemon=True).start()
    except RuntimeError:
        work()
    return outcome


def outside_main_thread(function: Callable[[], Result]) -> Result:
    """Run a blocking function outside of the main thread, where Ctrl-C raises no exception.

    In the main thread the function runs in a helper thread. Ctrl-C then interrupts the caller at
    once, and the helper thread continues.
    """
    if threading.current_thread() is threading.main_thread():
        return _run_in_thread(function)
    return function()


def _run_in_thread(function: Callable[[], Result]) -> Result:
    outcome: Future[Result] = Future()
    work = _fulfilling(outcome, function)
    thread = threading.Thread(target=work, name="seamless-run-sync", daemon=True)
    try:
        thread.start()
    except RuntimeError:  # the interpreter shuts down
        work()
    else:
        thread.join()
    return outcome.result()


def _fulfilling(outcome: Future[Result], function: Callable[[], Result]) -> Callable[[], None]:
    """Return a callable that runs `function` in the current context and resolves `outcome`.

    A second call does nothing: a Ctrl-C while a thread starts can look like a failure to start it,
    after which the caller calls it too.
    """
    outcome.set_running_or_notify_cancel()  # from here on the future can't be cancelled
    context = contextvars.copy_context()
    calls = [function]

    def run() -> None:
        try:
            function = calls.pop()
        except IndexError:
            return
        try:
            outcome.set_result(context.run(function))
        except BaseException as error:  # noqa: BLE001 - outcome.result() raises it
            outcome.set_exception(error)

    return run
