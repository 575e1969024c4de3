from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

import pytest

from seamless_database.errors import DatabaseClosedError, UnavailableError
from seamless_database.storage.batch_queue import (
    Batch,
    BatchQueue,
    Operation,
    fail,
    retry_in_halves,
)

if TYPE_CHECKING:
    from collections.abc import Iterator


class BlockingHandler:
    """Runs a batch when the test allows it, and counts its operations."""

    def __init__(self) -> None:
        self.allowed = threading.Semaphore(0)
        self.entered = threading.Semaphore(0)
        self.batches: list[int] = []
        self.outage: UnavailableError | None = None
        self.error: Exception | None = None

    def __call__(self, batch: Batch[int]) -> UnavailableError | None:
        self.entered.release()
        assert self.allowed.acquire(timeout=30)
        self.batches.append(len(batch))
        if self.error is not None:
            raise self.error
        for number, operation in enumerate(batch):
            operation.value = number
            if self.outage is not None:
                fail([operation], self.outage)
        return self.outage


@pytest.fixture
def handler() -> BlockingHandler:
    return BlockingHandler()


@pytest.fixture
def batch_queue(handler: BlockingHandler) -> Iterator[BatchQueue[int]]:
    batch_queue = BatchQueue(handler, "test", max_batch=3)
    yield batch_queue
    handler.allowed.release(100)
    batch_queue.close()


def operation() -> Operation[int]:
    return Operation(lambda _: 0)


def test_queued_operations_are_one_batch_up_to_a_limit(
    batch_queue: BatchQueue[int], handler: BlockingHandler
) -> None:
    first = batch_queue.submit(operation())
    assert handler.entered.acquire(timeout=30)
    others = [batch_queue.submit(operation()) for _ in range(5)]
    assert batch_queue.size == 5
    handler.allowed.release(10)
    assert [future.result(30) for future in (first, *others)] == [0, 0, 1, 2, 0, 1]
    assert handler.batches == [1, 3, 2]


def test_an_outage_fails_all_queued_operations(
    batch_queue: BatchQueue[int], handler: BlockingHandler
) -> None:
    handler.outage = UnavailableError("away")
    first = batch_queue.submit(operation())
    assert handler.entered.acquire(timeout=30)
    others = [batch_queue.submit(operation()) for _ in range(50)]
    handler.allowed.release()
    for future in (first, *others):
        assert future.exception(30) is handler.outage
    assert handler.batches == [1]


def test_an_unexpected_error_does_not_stop_the_thread(
    batch_queue: BatchQueue[int], handler: BlockingHandler
) -> None:
    handler.error = ZeroDivisionError("oh")
    handler.allowed.release(2)
    assert isinstance(batch_queue.submit(operation()).exception(30), UnavailableError)
    handler.error = None
    assert batch_queue.submit(operation()).result(30) == 0


def test_a_cancelled_future_does_not_matter(
    batch_queue: BatchQueue[int], handler: BlockingHandler
) -> None:
    first = batch_queue.submit(operation())
    assert handler.entered.acquire(timeout=30)
    gone, stays = batch_queue.submit(operation()), batch_queue.submit(operation())
    assert gone.cancel()
    handler.allowed.release(2)
    assert first.result(30) == 0
    assert stays.result(30) == 1


def test_close_runs_queued_operations_and_rejects_others(
    batch_queue: BatchQueue[int], handler: BlockingHandler
) -> None:
    futures = [batch_queue.submit(operation()) for _ in range(7)]
    handler.allowed.release(10)
    batch_queue.close()
    batch_queue.close()
    assert all(future.done() and future.exception() is None for future in futures)
    with pytest.raises(DatabaseClosedError):
        batch_queue.submit(operation())


def test_a_full_queue_rejects_operations(
    batch_queue: BatchQueue[int], handler: BlockingHandler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seamless_database.storage.batch_queue.MAX_QUEUED", 2)
    batch_queue.submit(operation())
    assert handler.entered.acquire(timeout=30)
    for _ in range(2):
        batch_queue.submit(operation())
    with pytest.raises(UnavailableError, match="2 requests are waiting"):
        batch_queue.submit(operation())


def test_an_event_loop_gets_the_outcome_of_its_operations(
    batch_queue: BatchQueue[int], handler: BlockingHandler
) -> None:
    handler.allowed.release(10)

    async def execute_three() -> list[int | None]:
        return await asyncio.gather(*(batch_queue.execute(operation()) for _ in range(3)))

    assert len(asyncio.run(execute_three())) == 3
    handler.outage = UnavailableError("away")
    with pytest.raises(UnavailableError, match="away"):
        asyncio.run(execute_three())


def test_a_cancelled_task_does_not_matter(
    batch_queue: BatchQueue[int], handler: BlockingHandler
) -> None:
    async def cancel_one() -> int | None:
        gone, stays = (asyncio.ensure_future(batch_queue.execute(operation())) for _ in range(2))
        await asyncio.sleep(0)
        gone.cancel()
        handler.allowed.release(10)
        return await stays

    assert asyncio.run(cancel_one()) is not None


def test_a_closed_event_loop_does_not_stop_the_thread(
    batch_queue: BatchQueue[int], handler: BlockingHandler
) -> None:
    async def leave() -> None:
        asyncio.ensure_future(batch_queue.execute(operation()))  # noqa: RUF006  # cancelled below
        await asyncio.sleep(0)

    asyncio.run(leave())
    handler.allowed.release(10)
    assert batch_queue.submit(operation()).result(30) is not None


def test_an_error_that_a_future_rejects_does_not_stop_the_others() -> None:
    def handle(batch: Batch[int]) -> None:
        for each in batch:
            each.run(None)

    def stop(_connection: object) -> int:
        raise StopIteration

    batch_queue = BatchQueue(handle, "test", max_batch=2)

    async def execute() -> list[int | BaseException | None]:
        operations = (Operation(stop), operation())
        outcomes = asyncio.gather(*map(batch_queue.execute, operations), return_exceptions=True)
        return await asyncio.wait_for(outcomes, 30)

    error, value = asyncio.run(execute())
    batch_queue.close()
    assert isinstance(error, RuntimeError)
    assert value == 0


def test_operations_that_are_queued_together_are_one_batch(
    batch_queue: BatchQueue[int], handler: BlockingHandler
) -> None:
    first = batch_queue.submit(operation())
    assert handler.entered.acquire(timeout=30)
    together = [operation() for _ in range(5)]
    others = [batch_queue.submit(operation()), batch_queue.submit_all(together)]
    others.append(batch_queue.submit(operation()))
    assert batch_queue.size == 3
    handler.allowed.release(10)
    assert [future.result(30) for future in (first, *others)] == [0, 0, 5, 0]
    assert handler.batches == [1, 6, 1]
    assert [each.value for each in together] == [1, 2, 3, 4, 5]


def test_a_batch_is_retried_in_halves_until_an_outage() -> None:
    ran: list[int] = []
    bad: dict[Operation[int], UnavailableError | None] = {}

    def handle(batch: Batch[int]) -> UnavailableError | None:
        ran.append(len(batch))
        found = next((each for each in batch if each in bad), None)
        if found is None:
            return None
        if len(batch) > 1:
            return retry_in_halves(handle, batch)
        fail(batch, UnavailableError("bad"))
        return bad[found]

    batch = [operation() for _ in range(64)]
    bad[batch[40]] = None
    assert handle(batch) is None
    assert [each for each in batch if each.error is not None] == [batch[40]]
    # two transactions on each of six levels
    assert len(ran) == 1 + 2 * 6
    bad[batch[10]] = outage = UnavailableError("away")
    assert handle(batch) is outage
    assert [each.error for each in batch[11:]] == [outage] * 53
    assert [each.error for each in batch[:10]] == [None] * 10


def test_operations_that_fail_together_are_done(
    batch_queue: BatchQueue[int], handler: BlockingHandler
) -> None:
    handler.outage = UnavailableError("away")
    first = batch_queue.submit(operation())
    assert handler.entered.acquire(timeout=30)
    together = [operation() for _ in range(5)]
    future = batch_queue.submit_all(together)
    handler.allowed.release(10)
    assert future.result(30) is None
    assert first.exception(30) is handler.outage
    assert [each.error for each in together] == [handler.outage] * 5


def test_operations_are_rejected_together(
    batch_queue: BatchQueue[int], handler: BlockingHandler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seamless_database.storage.batch_queue.MAX_QUEUED", 1)
    batch_queue.submit(operation())
    assert handler.entered.acquire(timeout=30)
    batch_queue.submit_all([operation() for _ in range(5)])
    with pytest.raises(UnavailableError, match="1 requests are waiting"):
        batch_queue.submit_all([operation() for _ in range(5)])
    handler.allowed.release(10)
    batch_queue.close()
    with pytest.raises(DatabaseClosedError):
        batch_queue.submit_all([operation()])


def test_several_operations_are_done_although_nobody_waits_for_them(
    batch_queue: BatchQueue[int], handler: BlockingHandler
) -> None:
    first = batch_queue.submit(operation())
    assert handler.entered.acquire(timeout=30)
    together = [operation() for _ in range(2)]
    assert batch_queue.submit_all(together).cancel()
    stays = batch_queue.submit(operation())
    handler.allowed.release(10)
    assert first.result(30) == 0
    assert stays.result(30) == 2
    assert [each.value for each in together] == [0, 1]
