"""Every lock of the package is reset after a fork and survives an interrupt."""

from __future__ import annotations

import ast
import gc
import importlib
import os
import pkgutil
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from queue import SimpleQueue
from types import ModuleType
from typing import Any

import pytest
from forked_children import run_in_child

import seamless
from seamless import Buffer
from seamless.caching import buffer_writer
from seamless.caching.buffer_cache import BufferCache
from seamless.cli.progress import Progress
from seamless.stores.hashserver import HashServer
from seamless.util import locks
from seamless.util.lru import LRU

SOURCES = Path(seamless.__file__).parent
LOCK_TYPES = (type(threading.Lock()), type(threading.RLock()))
#: written in Python: an interrupt in their methods leaves them acquired
PYTHON_LOCKS = {"Event", "Semaphore", "BoundedSemaphore", "Barrier"}


def modules() -> Iterator[ModuleType]:
    yield seamless
    for found in pkgutil.walk_packages(seamless.__path__, "seamless."):
        if found.name not in {"seamless.config", "seamless.transformer"}:  # other distributions
            yield importlib.import_module(found.name)


def attributes(owner: object) -> Iterator[tuple[str, object]]:
    """Return the attributes of an object, in its dictionary and in its slots."""
    yield from list(getattr(owner, "__dict__", {}).items())
    for kind in type(owner).__mro__:
        slots = vars(kind).get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            if name not in {"__dict__", "__weakref__"} and hasattr(owner, name):
                yield name, getattr(owner, name)


def locks_of(owner: object) -> Iterator[tuple[str, Any]]:
    for name, value in attributes(owner):
        inner = getattr(value, "_lock", None) if isinstance(value, threading.Condition) else value
        if isinstance(inner, LOCK_TYPES):
            yield name, inner


@pytest.fixture
def one_of_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[object]]:
    """Return objects of the package that have locks; the test also searches their attributes."""
    monkeypatch.setenv("SEAMLESS_BUFFER_DIR", str(tmp_path))
    Buffer(b"queued").incref()
    buffer_writer.flush()
    Buffer("x = 1", "python").get_value("python")
    server = HashServer("http://127.0.0.1:9")
    yield [BufferCache(), LRU(1), Progress(1, "B", shown=True), server]
    server.close()


def test_every_lock_of_every_module_and_object_is_reset_after_a_fork(
    one_of_each: list[object],
) -> None:
    registered = {id(lock) for lock in locks.registered_locks()}
    owners: list[object] = list(modules())
    owners += [
        item
        for item in gc.get_objects()
        if str(type(item).__module__).partition(".")[0] == "seamless"
    ]
    found = [(owner, name, lock) for owner in owners for name, lock in locks_of(owner)]
    holders = {type(owner).__name__ for owner, _, _ in found}
    assert holders >= {"LRU", "FinalizerSafeLock", "NegativeCache", "SharedClient"}
    assert holders >= {"module", "Progress", "UploadQueue"}
    assert one_of_each
    assert [(owner, name) for owner, name, lock in found if id(lock) not in registered] == []


def test_no_lock_is_created_elsewhere() -> None:
    """A lock in a local variable, or in an object that the test above does not create."""
    forbidden = {f"threading.{name}" for name in ("Lock", "RLock", *PYTHON_LOCKS)}
    made = []
    for path in set(SOURCES.rglob("*.py")) - {SOURCES / "util" / "locks.py"}:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in forbidden:
                made.append(f"{path.relative_to(SOURCES)}:{node.lineno}")
            if isinstance(node, ast.ImportFrom) and node.module in {"threading", "_thread"}:
                made.append(f"{path.relative_to(SOURCES)}:{node.lineno}")
    assert made == []


def test_the_with_statement_of_a_condition_is_used_nowhere() -> None:
    """It is written in Python: an interrupt between its steps leaves the lock acquired."""
    used = []
    for path in SOURCES.rglob("*.py"):
        tree = ast.parse(path.read_text())
        conditions = {
            ast.unparse(node.targets[0])
            for node in ast.walk(tree)
            if isinstance(node, ast.Assign) and "threading.Condition(" in ast.unparse(node.value)
        }
        used += [
            f"{path.name}:{node.lineno}"
            for node in ast.walk(tree)
            if isinstance(node, ast.With)
            for item in node.items
            if ast.unparse(item.context_expr) in conditions
        ]
    assert used == []


def test_a_child_can_acquire_a_lock_of_another_thread_of_its_parent() -> None:
    lock = locks.new_lock()
    entered, leave = SimpleQueue[None](), SimpleQueue[None]()

    def hold() -> None:
        with lock:
            entered.put(None)
            leave.get(timeout=60)

    holder = threading.Thread(target=hold)
    holder.start()
    entered.get(timeout=60)
    assert run_in_child(lambda: lock.acquire(timeout=20)) == "True"
    leave.put(None)
    holder.join()


def test_a_child_holds_the_lock_of_the_thread_that_forked() -> None:
    lock = locks.new_lock()

    def taken_by_another_thread() -> bool:
        answers = SimpleQueue[bool]()
        threading.Thread(target=lambda: answers.put(lock.acquire(blocking=False))).start()
        return answers.get(timeout=20)

    def leave_and_ask() -> tuple[bool, bool]:
        before = taken_by_another_thread()
        lock.release()
        return before, taken_by_another_thread()

    lock.acquire()
    try:
        assert run_in_child(leave_and_ask) == "(False, True)"
    finally:
        lock.release()


def test_a_registered_object_is_reset_in_each_child_and_not_kept_alive() -> None:
    class Renewed:
        pid = os.getpid()

        def reset_after_fork(self) -> None:
            self.pid = os.getpid()

    def renewed_in_child() -> None:
        item = Renewed()
        locks.call_after_fork(item)
        assert run_in_child(lambda: item.pid == os.getpid()) == "True"
        assert item in locks._renewables

    renewed_in_child()
    gc.collect()
    assert not any(isinstance(each, Renewed) for each in locks._renewables)


def test_an_interrupt_at_any_moment_leaves_a_lock_released() -> None:
    lock = locks.new_lock()
    done = interrupted = 0

    class Interrupted(BaseException):
        pass

    def interrupt(*_: object) -> None:
        raise Interrupted

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        while interrupted < 300:
            try:
                signal.setitimer(signal.ITIMER_REAL, 0.0003)
                while True:
                    with lock:
                        done += 1
            except Interrupted:
                interrupted += 1
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    answers = SimpleQueue[bool]()
    threading.Thread(target=lambda: answers.put(lock.acquire(timeout=20))).start()
    assert answers.get(timeout=60)
    assert done
