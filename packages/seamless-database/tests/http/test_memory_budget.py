from __future__ import annotations

import asyncio

import pytest

from seamless_database.http.memory_budget import MemoryBudget

SOON, LONG = 0.01, 30


def test_the_whole_budget_can_be_taken_at_once() -> None:
    budget = MemoryBudget(10)
    assert [budget.try_take(size) for size in (6, 5, 4, 1)] == [True, False, True, False]
    budget.give_back(6)
    assert budget.try_take(6)


def test_more_than_the_budget_is_taken_alone() -> None:
    budget = MemoryBudget(10)
    assert budget.try_take(50)
    assert not budget.try_take(1)
    budget.give_back(50)
    assert budget.try_take(1)
    assert not budget.try_take(50)


def test_waiting_tasks_are_served_first_and_in_order() -> None:
    async def run() -> None:
        budget = MemoryBudget(10)
        assert budget.try_take(8)
        order: list[int] = []

        async def take(size: int) -> None:
            await budget.take(size, LONG)
            order.append(size)

        tasks = [asyncio.create_task(take(size)) for size in (5, 2, 4)]
        await asyncio.sleep(0)
        # the one that waits first would wait for ever otherwise
        assert not budget.try_take(1)
        budget.give_back(8)
        await asyncio.gather(*tasks[:2])
        await asyncio.sleep(SOON)
        assert order == [5, 2]
        budget.give_back(2)
        await asyncio.gather(*tasks)
        assert order == [5, 2, 4]
        budget.give_back(9)
        assert budget.try_take(10)

    asyncio.run(run())


def test_a_task_that_timed_out_is_skipped() -> None:
    async def run() -> None:
        budget = MemoryBudget(10)
        assert budget.try_take(8)
        with pytest.raises(asyncio.TimeoutError):
            await budget.take(5, SOON)
        assert budget.try_take(2)
        waiting = asyncio.create_task(budget.take(5, LONG))
        small = asyncio.create_task(budget.take(1, LONG))
        await asyncio.sleep(0)
        budget.give_back(2)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await small
        budget.give_back(9)
        assert budget.try_take(10)

    asyncio.run(run())


def test_bytes_assigned_during_a_cancellation_are_given_back() -> None:
    async def run() -> None:
        budget = MemoryBudget(10)
        assert budget.try_take(10)
        waiting = asyncio.create_task(budget.take(5, LONG))
        await asyncio.sleep(0)
        budget.give_back(10)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert budget.try_take(10)

    asyncio.run(run())
