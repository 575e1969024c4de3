"""Open or closed: `ensure_open`, `close` and what runs then.

`close` may be called any number of times, from any thread, and never raises. It touches the
neighbours that are loaded already and loads none. The truth is `seamless._closed`, where
neighbours read it and where their tests set it back; everything works again after that.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import sys
import threading

from seamless.util.locks import new_lock
from seamless.worker_role import is_worker

TYPE_CHECKING = False  # known to type checkers; importing typing would slow every start
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType
    from typing import Any

__all__ = ["close", "ensure_open", "is_closed", "register_close_hook"]

#: Alias: follows `seamless._closed` for those who look here; nothing reads it.
_closed = False
#: Whether a `close` is under way.
_closing = False

#: held by the thread that closes, until everything is closed
_closer_lock = new_lock()
#: Seconds that a second `close` waits for the first; a hook may be waiting for the second.
WAIT_SECONDS = 60.0
_hooks: list[Callable[[], object]] = []
_exempt = threading.local()


def is_closed() -> bool:
    """Tell whether Seamless has been closed."""
    return bool(_package()._closed)


def ensure_open(op: str | None = None, *, mark_required: bool = True) -> None:
    """Raise if Seamless has been closed.

    Parameters
    ----------
    op
        What is about to be done, as a phrase for the error.
    mark_required
        If true, remember that `close` has to be called before the interpreter exits.

    Raises
    ------
    RuntimeError
        After `close`.
    """
    if mark_required:
        _package()._require_close = True
    if is_closed() and not getattr(_exempt, "yes", False):
        what = f" before: {op}" if op else ""
        raise RuntimeError(f"Seamless has been closed{what}. Call close() when all work is done")


@contextlib.contextmanager
def exempt_from_closing() -> Iterator[None]:
    """Let this thread pass `ensure_open` while it finishes what was accepted before."""
    before = getattr(_exempt, "yes", False)
    _exempt.yes = True
    try:
        yield
    finally:
        _exempt.yes = before


def register_close_hook(hook: Callable[[], object]) -> None:
    """Have `hook` called without arguments when Seamless is closed, in order of registration.

    Raises
    ------
    TypeError
        When it can't be called.
    """
    if not callable(hook):
        raise TypeError(f"a close hook must be callable, and {type(hook).__name__} is not")
    _hooks.append(hook)


def close(*, from_atexit: bool = False) -> None:
    """End the work: run the close hooks, stop the workers, send what is queued.

    Never raises; does nothing in a worker process or when called again. While another
    thread is closing, it waits for that, so that what is queued is sent when it returns.

    Parameters
    ----------
    from_atexit
        Whether the interpreter is exiting without `close` having been called.
    """
    if is_worker() or not _in_main_process():
        return
    # A hook that calls close() has the lock already and does not wait for itself. An interrupt
    # before the `try` leaves the lock taken: other threads then wait for WAIT_SECONDS, once.
    if not _closer_lock.acquire(timeout=WAIT_SECONDS):
        return
    try:
        if not (_closing or is_closed()):
            _run_shutdown_steps(from_atexit)
    finally:
        _closer_lock.release()


def _run_shutdown_steps(from_atexit: bool) -> None:
    global _closed, _closing  # noqa: PLW0603 - the state of this process
    _closing = True
    try:
        _package()._closed = _closed = True
        from seamless import shutdown_steps

        if from_atexit:
            shutdown_steps.report("close() should have been called before the interpreter exits")
        shutdown_steps.run(tuple(_hooks))
    finally:
        _closing = False


def _at_exit() -> None:
    """Close if that is due, and in any case write out what is queued."""
    if _package()._require_close or is_closed():
        close(from_atexit=True)
        return
    if writer := sys.modules.get(f"{__package__}.caching.buffer_writer"):
        writer.finish_at_exit()
    if remote := sys.modules.get(f"{__package__}.remote"):
        remote.close_connections()


# Handlers run in reverse order, and one that is registered at exit does not run at all: only
# here, at import, is it certain that whatever others queue at exit is written after them.
atexit.register(_at_exit)


def _in_main_process() -> bool:
    multiprocessing: ModuleType | None = sys.modules.get("multiprocessing.process")
    return multiprocessing is None or multiprocessing.current_process().name == "MainProcess"


def _package() -> Any:
    return sys.modules[__package__ or "seamless"]


def debug(message: str) -> None:
    """Tell of a step of closing on stderr, if `SEAMLESS_DEBUG_SHUTDOWN` is set."""
    if os.environ.get("SEAMLESS_DEBUG_SHUTDOWN"):
        write_stderr(f"[seamless.close] {message}")


def write_stderr(line: str) -> None:
    """Write a line on stderr, if there is one that takes it: closing must go on without."""
    with contextlib.suppress(OSError, ValueError):
        if sys.stderr is not None:
            sys.stderr.write(f"{line}\n")
