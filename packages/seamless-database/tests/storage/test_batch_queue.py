from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

import pytest

from seamless_database.errors import DatabaseClosedError, UnavailableError
from seamless_database.storage.batch_queue import Batch, BatchQueue, Operation, fail

if TYPE_CHECKING:
    from collections.abc import Iterator


class Worker:
    """Does tasks when it may, and remembers what it did at once."""

    def __init__(self) -> None:
        self.may = threading.Semaphore(0)
        self.entered = threading.Semaphore(0)
        self.batches: list[int] = []
        self.outage: UnavailableError | None = None
        self.error: Exception | None = None

    def __call__(self, tasks: Batch[int]) -> UnavailableError | None:
        self.entered.release()
        assert self.may.acquire(timeout=30)
        self.batches.append(len(tasks))
        if self.error is not None:
            raise self.error
        for number, task in enumerate(tasks):
            task.value = number
            if self.outage is not None:
                fail([task], self.outage)
        return self.outage


@pytest.fixture
def worker() -> Worker:
    return Worker()


@pytest.fixture
def batch_queue(worker: Worker) -> Iterator[BatchQueue[int]]:
    batch_queue = BatchQueue(worker, "test", max_batch=3)
    yield batch_queue
    worker.may.release(100)
    batch_queue.close()


def task() -> Operation[int]:
    return Operation(lambda _: 0)


def test_what_waits_is_done_at_once_up_to_a_limit(
    batch_queue: BatchQueue[int], worker: Worker
) -> None:
    first = batch_queue.submit(task())
    assert worker.entered.acquire(timeout=30)
    others = [batch_queue.submit(task()) for _ in range(5)]
    assert batch_queue.size == 5
    worker.may.release(10)
    assert [future.result(30) for future in (first, *others)] == [0, 0, 1, 2, 0, 1]
    assert worker.batches == [1, 3, 2]


def test_an_outage_is_told_to_all_that_wait(batch_queue: BatchQueue[int], worker: Worker) -> None:
    worker.outage = UnavailableError("away")
    first = batch_queue.submit(task())
    assert worker.entered.acquire(timeout=30)
    others = [batch_queue.submit(task()) for _ in range(50)]
    worker.may.release()
    for future in (first, *others):
        assert future.exception(30) is worker.outage
    assert worker.batches == [1]


def test_an_error_that_nobody_foresaw_ends_no_thread(
    batch_queue: BatchQueue[int], worker: Worker
) -> None:
    worker.error = ZeroDivisionError("oh")
    worker.may.release(2)
    assert isinstance(batch_queue.submit(task()).exception(30), UnavailableError)
    worker.error = None
    assert batch_queue.submit(task()).result(30) == 0


def test_a_client_that_went_away_is_not_told(batch_queue: BatchQueue[int], worker: Worker) -> None:
    first = batch_queue.submit(task())
    assert worker.entered.acquire(timeout=30)
    gone, stays = batch_queue.submit(task()), batch_queue.submit(task())
    assert gone.cancel()
    worker.may.release(2)
    assert first.result(30) == 0
    assert stays.result(30) == 1


def test_closing_finishes_what_is_queued_and_takes_no_more(
    batch_queue: BatchQueue[int], worker: Worker
) -> None:
    futures = [batch_queue.submit(task()) for _ in range(7)]
    worker.may.release(10)
    batch_queue.close()
    assert all(future.done() and future.exception() is None for future in futures)
    with pytest.raises(DatabaseClosedError):
        batch_queue.submit(task())


def test_too_many_are_refused(
    batch_queue: BatchQueue[int], worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seamless_database.storage.batch_queue.MAX_QUEUED", 2)
    batch_queue.submit(task())
    assert worker.entered.acquire(timeout=30)
    for _ in range(2):
        batch_queue.submit(task())
    with pytest.raises(UnavailableError, match="2 requests are waiting"):
        batch_queue.submit(task())


def test_an_event_loop_hears_of_its_own(batch_queue: BatchQueue[int], worker: Worker) -> None:
    worker.may.release(10)

    async def talk() -> list[tuple[int | None, BaseException | None]]:
        heard: asyncio.Queue[tuple[int | None, BaseException | None]] = asyncio.Queue()

        def tell(value: int | None, error: BaseException | None) -> None:
            heard.put_nowait((value, error))
            raise ZeroDivisionError("whoever listens makes a mistake")

        for _ in range(3):
            batch_queue.submit_with_callback(task(), tell, asyncio.get_running_loop())
        return [await heard.get() for _ in range(3)]

    assert [error for _, error in asyncio.run(talk())] == [None] * 3


def test_a_loop_that_has_gone_holds_up_nobody(batch_queue: BatchQueue[int], worker: Worker) -> None:
    async def leave() -> None:
        loop = asyncio.get_running_loop()
        batch_queue.submit_with_callback(task(), lambda _value, _error: None, loop)

    asyncio.run(leave())
    worker.may.release(10)
    assert batch_queue.submit(task()).result(30) is not None
