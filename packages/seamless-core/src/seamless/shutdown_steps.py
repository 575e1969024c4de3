"""The steps of `close`, in order. Each is on its own: one that fails does not stop the next.

Neighbours are found in `sys.modules`: what is not loaded has nothing to be closed.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import threading
from typing import TYPE_CHECKING, Any

from seamless.shutdown import debug, exempt_from_closing, write_stderr

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

__all__ = ["report", "run"]

#: Loggers that would report the end of workers as if it were a fault.
NOISY_LOGGERS = (
    "seamless_transformer.process.manager",
    "seamless_transformer.process.channel",
)
READY_SECONDS = 0.2
QUIET_SECONDS = 0.5


def run(hooks: tuple[Callable[[], object], ...]) -> None:
    """Run all steps, and tell of failures in one line on stderr."""
    failures: list[str] = []
    with _quiet_loggers():
        for hook in hooks:
            _run_step("close hook", hook, [])  # a hook that fails is its owner's concern
        worker = sys.modules.get("seamless_transformer.worker")
        pool = getattr(worker, "_worker_manager", None)
        steps: list[tuple[str, Callable[[], object]]] = [
            ("quieting workers", lambda: _quiet_workers(pool)),
            ("shutting down workers", lambda: _shut_down_workers(worker)),
            ("writing out buffers", lambda: _write_out(failures)),
            ("closing remote clients", _close_remote_clients),
            ("freeing shared memory", lambda: _free_shared_memory(pool)),
            ("ending multiprocessing", _end_multiprocessing),
        ]
        for name, step in steps:
            _run_step(name, step, failures)
    if failures:
        report("; ".join(failures))


def report(message: str) -> None:
    """Write one line on stderr, where there is one."""
    write_stderr(f"[seamless.close] {message}")


def _run_step(name: str, step: Callable[[], object], failures: list[str]) -> None:
    debug(name)
    try:
        step()
    except BaseException as error:  # noqa: BLE001 - closing goes on whatever one step does
        # SystemExit and Ctrl-C included: what is queued has still to be written
        debug(f"{name}: {error!r}")
        failures.append(f"{name}: {type(error).__name__}: {error}")


@contextlib.contextmanager
def _quiet_loggers() -> Iterator[None]:
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
    """Tell the pool and its workers that their end is no accident."""
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
        with contextlib.suppress(OSError):  # somebody else has freed it already
            pointer.shm.close()
            pointer.shm.unlink()
    pointers.clear()


def _run_on(loop: Any, coroutine: Coroutine[Any, Any, object], seconds: float) -> None:
    """Run a coroutine on the pool's loop, for a short time; a worker may be gone already."""
    import asyncio

    if loop is None or not loop.is_running():
        coroutine.close()
        return
    future = asyncio.run_coroutine_threadsafe(coroutine, loop)
    try:
        future.result(seconds)
    except Exception as error:  # noqa: BLE001 - whatever a dying worker answers
        future.cancel()
        debug(f"worker pool: {error!r}")


# -- buffers, clients, multiprocessing ------------------------------------------------


def _write_out(failures: list[str]) -> None:
    buffer_writer = sys.modules.get("seamless.caching.buffer_writer")
    if buffer_writer is None:
        return
    try:
        buffer_writer.finish()
    finally:  # also after Ctrl-C
        if lost := buffer_writer.unreported_failures():
            failures.append(buffer_writer.describe(lost))


def _close_remote_clients() -> None:
    remote = sys.modules.get("seamless.remote")
    if remote is not None:
        remote.close_connections()
    client = sys.modules.get("seamless_remote.client")
    # it waits for its keepalive thread, which must not wait for itself
    if client is None or threading.current_thread().daemon:
        return
    with exempt_from_closing():
        client.close_all_clients()


def _end_multiprocessing() -> None:
    """Run what multiprocessing would run at exit. Its resource tracker ends with the process."""
    util: Any = sys.modules.get("multiprocessing.util")
    if util is not None:
        util._run_finalizers()
