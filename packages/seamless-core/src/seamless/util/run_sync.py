"""Running a coroutine to its end from synchronous code, also inside a running event loop.

Without a running loop a new one runs in this thread, and is not made its current one: whoever
has set a current loop finds it unchanged. Inside a running loop, which can't be entered twice,
a helper thread does it. No loop outlives the call.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

__all__ = ["in_daemon_thread", "outside_main_thread", "run_sync", "settle_tasks"]

#: What the tasks that a coroutine leaves behind get, mostly for closing connections.
SETTLE_SECONDS = 1.0

Result = TypeVar("Result")


def run_sync(
    make_coroutine: Callable[[], Coroutine[Any, Any, Result]],
    *,
    at_end: Callable[[], None] | None = None,
) -> Result:
    """Run the coroutine that `make_coroutine` makes, and return its result.

    Parameters
    ----------
    make_coroutine
        Called where the coroutine will run.
    at_end
        Called in its loop when it has ended; tasks that this starts are waited for.
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


async def settle_tasks(seconds: float = SETTLE_SECONDS) -> None:
    """Let the other tasks of this loop end, and cancel those that take too long."""
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    if not tasks:
        return
    _, late = await asyncio.wait(tasks, timeout=seconds)
    for task in late:
        task.cancel()
    if late:  # a task may ignore that
        await asyncio.wait(late, timeout=seconds)


async def in_daemon_thread(function: Callable[[], Result]) -> Result:
    """Run a blocking function in a thread of its own, for whose end no interpreter waits.

    Where no thread can start any more, because the interpreter is going down, it runs here.
    """
    outcome: Future[Result] = Future()
    work = _fulfilling(outcome, function)
    try:
        threading.Thread(target=work, name="seamless-blocking", daemon=True).start()
    except RuntimeError:
        work()
    return await asyncio.wrap_future(outcome)


def outside_main_thread(function: Callable[[], Result]) -> Result:
    """Run a blocking function where Ctrl-C never raises: in a helper thread, if need be.

    Ctrl-C ends the waiting for it at once; the helper thread goes on, and nobody waits for it.
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
    except RuntimeError:  # the interpreter is going down
        work()
    else:
        thread.join()
    return outcome.result()


def _fulfilling(outcome: Future[Result], function: Callable[[], Result]) -> Callable[[], None]:
    """Return what runs `function` in the context of here, and tells `outcome` how it ended.

    Called again, it does nothing: a Ctrl-C while a thread starts can look like the failure to
    start one.
    """
    outcome.set_running_or_notify_cancel()  # a waiter that gives up does not undo the work
    context = contextvars.copy_context()
    calls = [function]

    def run() -> None:
        try:
            function = calls.pop()
        except IndexError:
            return
        try:
            outcome.set_result(context.run(function))
        except BaseException as error:  # noqa: BLE001 - it is raised where it is waited for
            outcome.set_exception(error)

    return run
