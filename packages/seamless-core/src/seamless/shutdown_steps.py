"""The steps of `close`, in order. A step that fails does not stop the next one.

Companion packages are looked up in `sys.modules`: those that are not loaded need no shutdown.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator
    from contextlib import AbstractContextManager

__all__ = ["report", "run", "write_stderr"]

#: Loggers that report a stopped worker as an error.
NOISY_LOGGERS = (
    "seamless_transformer.process.manager",
    "seamless_transformer.process.channel",
)
READY_SECONDS = 0.2
QUIET_SECONDS = 0.5


def run(
    hooks: tuple[Callable[[], object], ...],
    exempt_from_closing: Callable[[], AbstractContextManager[None]],
) -> None:
    """Run all steps; write failures to stderr in one line.

    `exempt_from_closing` lets companion packages pass `ensure_open` while they are closed.
    """
    failures: list[str] = []
    with _silence_loggers():
        for hook in hooks:
            _run_step("close hook", hook, [])  # errors of hooks are ignored
        worker = sys.modules.get("seamless_transformer.worker")
        pool = getattr(worker, "_worker_manager", None)
        steps: list[tuple[str, Callable[[], object]]] = [
            ("quieting workers", lambda: _quiet_workers(pool)),
            ("shutting down workers", lambda: _shut_down_workers(worker)),
            ("writing out buffers", lambda: _write_out(failures)),
            ("closing remote clients", lambda: _close_remote_clients(exempt_from_closing)),
            ("freeing shared memory", lambda: _free_shared_memory(pool)),
            ("ending multiprocessing", _end_multiprocessing),
        ]
        for name, step in steps:
            _run_step(name, step, failures)
    if failures:
        report("; ".join(failures))


def report(message: str) -> None:
    """Write one line about the shutdown to stderr."""
    write_stderr(f"[seamless.close] {message}")


def write_stderr(line: str) -> None:
    """Write a line to stderr; ignore a stderr that is missing or broken."""
    with contextlib.suppress(OSError, ValueError):
        if sys.stderr is not None:
            sys.stderr.write(f"{line}\n")


def _debug(message: str) -> None:
    """Do `report` if `SEAMLESS_DEBUG_SHUTDOWN` is set."""
    if os.environ.get("SEAMLESS_DEBUG_SHUTDOWN"):
        report(message)


def _run_step(name: str, step: Callable[[], object], failures: list[str]) -> None:
    _debug(name)
    try:
        step()
    except BaseException as error:  # noqa: BLE001 - closing goes on whatever one step does
        # SystemExit and KeyboardInterrupt too: the queued buffers must still be written
        _debug(f"{name}: {error!r}")
        failures.append(f"{name}: {type(error).__name__}: {error}")


@contextlib.contextmanager
def _silence_loggers() -> Iterator[None]:
    before = [(logging.getLogger(name), logging.getLogger(name).level) for name in NOISY_LOGGERS]
    for logger, _ in before:
        logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        for logger, level in before:
            logger.setLevel(level)


# -- the pool of workers --------------------------------------------------------------


def _quiet_workers(pool: Any) -> None:
    """Announce the shutdown to the pool and its workers, so that they report no errors."""
    manager = getattr(pool, "_manager", None)
    if manager is None:
        return
    pool._closing = manager._closing = True
    handles = list(getattr(pool, "_handles", ()))
    for handle in handles:
        handle.restart = False
        handle.closing = True
    for handle in handles:
        if not handle.ready_event.is_set():
            _run_on(pool.loop, handle.wait_until_ready(), READY_SECONDS)
        quiet = handle.request("quiet", None, timeout=QUIET_SECONDS)
        _run_on(pool.loop, quiet, QUIET_SECONDS + READY_SECONDS)


def _shut_down_workers(worker: Any) -> None:
    if worker is not None and worker.has_spawned():
        worker.shutdown_workers()


def _free_shared_memory(pool: Any) -> None:
    manager = getattr(pool, "_manager", None)
    if manager is None:
        return
    registry = getattr(manager, "memory_registry", None)
    if registry is not None:
        _run_on(pool.loop, registry.reset_pid(os.getpid()), READY_SECONDS)
        _run_on(pool.loop, registry.close(), READY_SECONDS)
    pointers = getattr(pool, "_pointers", {})
    for pointer in list(pointers.values()):
        with contextlib.suppress(OSError):  # another process has freed it already
            pointer.shm.close()
            pointer.shm.unlink()
    pointers.clear()


def _run_on(loop: Any, coroutine: Coroutine[Any, Any, object], seconds: float) -> None:
    """Run a coroutine on the pool's loop for a limited time; ignore errors of dead workers."""
    import asyncio

    if loop is None or not loop.is_running():
        coroutine.close()
        return
    future = asyncio.run_coroutine_threadsafe(coroutine, loop)
    try:
        future.result(seconds)
    except Exception as error:  # noqa: BLE001 - a dying worker may raise anything
        future.cancel()
        _debug(f"worker pool: {error!r}")


# -- buffers, clients, multiprocessing ------------------------------------------------


def _write_out(failures: list[str]) -> None:
    """Wait for the queued uploads; `buffer_writer.shutdown` limits the time."""
    buffer_writer = sys.modules.get("seamless.caching.buffer_writer")
    if buffer_writer is None:
        return
    try:
        buffer_writer.shutdown()
    finally:  # also after KeyboardInterrupt
        if lost := buffer_writer.unreported_failures():
            failures.append(buffer_writer.describe(lost))


def _close_remote_clients(
    exempt_from_closing: Callable[[], AbstractContextManager[None]],
) -> None:
    remote = sys.modules.get("seamless.remote")
    if remote is not None:
        remote.close_connections()
    client = sys.modules.get("seamless_remote.client")
    # `close_all_clients` joins its keepalive thread, which is a daemon and can't join itself
    if client is None or threading.current_thread().daemon:
        return
    with exempt_from_closing():
        client.close_all_clients()


def _end_multiprocessing() -> None:
    """Run the finalizers of multiprocessing. Its resource tracker ends with the process."""
    util: Any = sys.modules.get("multiprocessing.util")
    if util is not None:
        util._run_finalizers()
