from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

import pytest

from seamless_database.errors import DatabaseClosedError, UnavailableError
from seamless_database.storage.postgresql.batch_queue import BatchQueue, QueuedOperation

if TYPE_CHECKING:
    from collections.abc import Iterator

BulkLookup = list[QueuedOperation[int]]


class Worker:
    """Does tasks when it may, and remembers what it did at once."""

    def __init__(self) -> None:
        self.may = threading.Semaphore(0)
        self.entered = threading.Semaphore(0)
        self.batches: list[int] = []
        self.outage: UnavailableError | None = None
        self.error: Exception | None = None

    def __call__(self, tasks: BulkLookup) -> UnavailableError | None:
        self.entered.release()
        assert self.may.acquire(timeout=30)
        self.batches.append(len(tasks))
        if self.error is not None:
            raise self.error
        for number, task in enumerate(tasks):
            task.value = number
            if self.outage is not None:
                task.fail(self.outage)
        return self.outage


@pytest.fixture
def worker() -> Worker:
    return Worker()


@pytest.fixture
def lanes(worker: Worker) -> Iterator[BatchQueue[int]]:
    lanes = BatchQueue(worker, "test", threads=1, most=3)
    yield lanes
    worker.may.release(100)
    lanes.close()


def task() -> QueuedOperation[int]:
    return QueuedOperation(lambda _: 0)


def test_what_waits_is_done_at_once_up_to_a_limit(lanes: BatchQueue[int], worker: Worker) -> None:
    first = lanes.submit(task())
    assert worker.entered.acquire(timeout=30)
    others = [lanes.submit(task()) for _ in range(5)]
    assert lanes.queued_writes == 5
    worker.may.release(10)
    assert [future.result(30) for future in (first, *others)] == [0, 0, 1, 2, 0, 1]
    assert worker.batches == [1, 3, 2]


def test_an_outage_is_told_to_all_that_wait(lanes: BatchQueue[int], worker: Worker) -> None:
    worker.outage = UnavailableError("away")
    first = lanes.submit(task())
    assert worker.entered.acquire(timeout=30)
    others = [lanes.submit(task()) for _ in range(50)]
    worker.may.release()
    for future in (first, *others):
        assert future.exception(30) is worker.outage
    assert worker.batches == [1]


def test_an_error_that_nobody_foresaw_ends_no_thread(
    lanes: BatchQueue[int], worker: Worker
) -> None:
    worker.error = ZeroDivisionError("oh")
    worker.may.release(2)
    assert isinstance(lanes.submit(task()).exception(30), UnavailableError)
    worker.error = None
    assert lanes.submit(task()).result(30) == 0


def test_a_client_that_went_away_is_not_told(lanes: BatchQueue[int], worker: Worker) -> None:
    first = lanes.submit(task())
    assert worker.entered.acquire(timeout=30)
    gone, stays = lanes.submit(task()), lanes.submit(task())
    assert gone.cancel()
    worker.may.release(2)
    assert first.result(30) == 0
    assert stays.result(30) == 1


def test_closing_finishes_what_is_queued_and_takes_no_more(
    lanes: BatchQueue[int], worker: Worker
) -> None:
    futures = [lanes.submit(task()) for _ in range(7)]
    worker.may.release(10)
    lanes.close()
    assert all(future.done() and future.exception() is None for future in futures)
    with pytest.raises(DatabaseClosedError):
        lanes.submit(task())


def test_too_many_are_refused(
    lanes: BatchQueue[int], worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seamless_database.storage.postgresql.batch_queue.MAX_WAITING", 2)
    lanes.submit(task())
    assert worker.entered.acquire(timeout=30)
    for _ in range(2):
        lanes.submit(task())
    with pytest.raises(UnavailableError, match="2 requests are waiting"):
        lanes.submit(task())


def test_an_event_loop_hears_of_its_own(lanes: BatchQueue[int], worker: Worker) -> None:
    worker.may.release(10)

    async def talk() -> list[tuple[int | None, Exception | None]]:
        heard: asyncio.Queue[tuple[int | None, Exception | None]] = asyncio.Queue()

        def tell(value: int | None, error: Exception | None) -> None:
            heard.put_nowait((value, error))
            raise ZeroDivisionError("whoever listens makes a mistake")

        for _ in range(3):
            lanes.submit_with_callback(task(), tell)
        return [await heard.get() for _ in range(3)]

    assert [error for _, error in asyncio.run(talk())] == [None] * 3


def test_a_loop_that_has_gone_holds_up_nobody(lanes: BatchQueue[int], worker: Worker) -> None:
    async def leave() -> None:
        lanes.submit_with_callback(task(), lambda _value, _error: None)

    asyncio.run(leave())
    worker.may.release(10)
    assert lanes.submit(task()).result(30) is not None
