from __future__ import annotations

import threading

import pytest
from forked_children import run_in_child

from seamless.caching.finalizer_lock import FinalizerSafeLock


def nothing_to_repair() -> None:
    raise AssertionError("nothing was interrupted")


def test_a_change_runs_at_once_and_returns_its_result() -> None:
    lock = FinalizerSafeLock(nothing_to_repair)
    assert lock.change(lambda number: number + 1, 1) == 2


def test_a_thread_that_holds_the_lock_may_change() -> None:
    lock = FinalizerSafeLock(nothing_to_repair)
    with lock.lock:
        assert lock.change(int, 5) == 5


def test_a_change_inside_a_change_runs_after_it() -> None:
    lock = FinalizerSafeLock(nothing_to_repair)
    made: list[str] = []

    def outer() -> None:
        assert lock.change(made.append, "inner") is None
        lock.run_pending()
        made.append("outer")

    lock.change(outer)
    assert made == ["outer", "inner"]


def test_a_pending_change_may_defer_another() -> None:
    lock = FinalizerSafeLock(nothing_to_repair)
    made: list[int] = []

    def countdown(number: int) -> None:
        if number:
            lock.change(countdown, number - 1)
        made.append(number)

    lock.change(countdown, 3)
    assert made == [3, 2, 1, 0]


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError])
def test_an_interrupted_change_is_repaired_before_the_next_one(
    error: type[BaseException],
) -> None:
    made: list[str] = []
    lock = FinalizerSafeLock(lambda: made.append("repaired"))

    def fail() -> None:
        raise error

    with pytest.raises(error):
        lock.change(fail)
    assert made == []
    for name in ("first", "second"):
        lock.change(made.append, name)
    assert made == ["repaired", "first", "second"]


def test_an_interrupted_repair_is_repeated() -> None:
    attempts: list[int] = []

    def repair() -> None:
        attempts.append(1)
        if len(attempts) == 1:
            raise KeyboardInterrupt

    lock = FinalizerSafeLock(repair)
    with pytest.raises(ZeroDivisionError):
        lock.change(lambda: 1 / 0)
    with pytest.raises(KeyboardInterrupt):
        lock.change(int)
    assert lock.change(int) == 0
    assert len(attempts) == 2


def test_a_repair_is_a_change_itself() -> None:
    made: list[str] = []

    def repair() -> None:
        lock.change(made.append, "meanwhile")
        made.append("repaired")

    lock = FinalizerSafeLock(repair)
    with pytest.raises(ZeroDivisionError):
        lock.change(lambda: 1 / 0)
    lock.change(made.append, "next")
    assert made == ["repaired", "next", "meanwhile"]


def test_no_change_of_many_threads_is_lost() -> None:
    made: list[int] = []
    lock = FinalizerSafeLock(nothing_to_repair)

    def change_often(first: int) -> None:
        for number in range(first, first + 500):
            lock.change(lambda number=number: lock.change(made.append, number))

    threads = [threading.Thread(target=change_often, args=(n * 500,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(made) == list(range(4000))


def test_a_child_repairs_what_another_thread_of_its_parent_was_changing() -> None:
    made: list[str] = []
    lock = FinalizerSafeLock(lambda: made.append("repaired"))
    begun, go_on = threading.Event(), threading.Event()

    def change() -> None:
        begun.set()
        go_on.wait(60)

    thread = threading.Thread(target=lock.change, args=(change,))
    thread.start()
    begun.wait(60)
    assert run_in_child(lambda: (lock.change(made.append, "child"), made)[1]) == (
        "['repaired', 'child']"
    )
    go_on.set()
    thread.join()
    lock.change(made.append, "parent")
    assert made == ["parent"]


def test_a_change_that_forks_continues_in_the_child() -> None:
    made: list[str] = []
    lock = FinalizerSafeLock(nothing_to_repair)

    def end_the_change_in_the_child() -> list[str]:
        lock.change(made.append, "put off")
        assert made == []
        return [str(call) for call in lock.pending]

    def fork() -> str:
        return run_in_child(end_the_change_in_the_child)

    assert "put off" in (lock.change(fork) or "")
