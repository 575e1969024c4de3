"""`close`, `ensure_open` and close hooks: the open or closed state of this process.

`close` may be called any number of times, from any thread, and never raises. It shuts down the
companion packages that are loaded, and loads none. The state is `seamless._closed`: companion
packages read it there, and their tests reset it there, which opens Seamless again.
"""

from __future__ import annotations

import atexit
import contextlib
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

#: a copy of `seamless._closed` for callers that read it here; this package does not read it
_closed = False
#: Whether a `close` is running.
_closing = False

#: held by the thread that runs the shutdown steps
_closer_lock = new_lock()
#: Seconds that a second `close` waits for the first: a close hook may wait for the second.
WAIT_SECONDS = 60.0
_hooks: list[Callable[[], object]] = []
_exempt = threading.local()


def is_closed() -> bool:
    """Return whether Seamless has been closed."""
    return bool(_package()._closed)


def ensure_open(op: str | None = None, *, mark_required: bool = True) -> None:
    """Raise if Seamless has been closed.

    Parameters
    ----------
    op
        The operation that is about to start, as a phrase for the error message.
    mark_required
        If true, record that `close` must be called before the interpreter exits.

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
    """Let this thread pass `ensure_open` while it finishes work that was accepted earlier."""
    before = getattr(_exempt, "yes", False)
    _exempt.yes = True
    try:
        yield
    finally:
        _exempt.yes = before


def register_close_hook(hook: Callable[[], object]) -> None:
    """Register a callable that `close` calls without arguments, in order of registration.

    Raises
    ------
    TypeError
        When it is not callable.
    """
    if not callable(hook):
        raise TypeError(f"a close hook must be callable, and {type(hook).__name__} is not")
    _hooks.append(hook)


def close(*, from_atexit: bool = False) -> None:
    """Run the close hooks, stop the workers, send the queued buffers.

    Never raises; does nothing in a worker process or when called again. While another thread runs
    `close`, it waits for that thread, so that the queued buffers are sent when it returns.

    Parameters
    ----------
    from_atexit
        Whether the interpreter is exiting without `close` having been called.
    """
    if is_worker() or not _in_main_process():
        return
    # A hook that calls close() holds the re-entrant lock already. An interrupt before the `try`
    # leaves the lock taken: other threads then wait for WAIT_SECONDS, once.
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
        shutdown_steps.run(tuple(_hooks), exempt_from_closing)
    finally:
        _closing = False


def _at_exit() -> None:
    """Close if that is required, and write the queued buffers in any case."""
    if _package()._require_close or is_closed():
        close(from_atexit=True)
    else:
        if writer := sys.modules.get(f"{__package__}.caching.buffer_writer"):
            writer.shutdown_at_exit()
        if remote := sys.modules.get(f"{__package__}.remote"):
            remote.close_connections()


# Exit handlers run in reverse order of registration. This one is registered at import, so that it
# runs last and writes the buffers that other handlers queue.
atexit.register(_at_exit)


def _in_main_process() -> bool:
    multiprocessing: ModuleType | None = sys.modules.get("multiprocessing.process")
    return multiprocessing is None or multiprocessing.current_process().name == "MainProcess"


def _package() -> Any:
    return sys.modules[__package__ or "seamless"]
