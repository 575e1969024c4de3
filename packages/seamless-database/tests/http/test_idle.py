from __future__ import annotations

import asyncio

import pytest

from seamless_database.http.idle import IdleTracker


def test_idleness_counts_from_the_last_end() -> None:
    now = [0.0]
    activity = IdleTracker(lambda: now[0])
    now[0] = 5
    assert activity.idle() == 5
    activity.begin()
    now[0] = 9
    activity.end()
    now[0] = 10
    assert activity.idle() == 1


def test_a_request_in_the_works_is_no_idleness() -> None:
    now = [0.0]
    activity = IdleTracker(lambda: now[0])
    activity.begin()
    activity.begin()
    activity.end()
    now[0] = 100
    assert activity.idle() == 0


def test_dismissing_ends_the_waiting_and_spares_the_working() -> None:
    async def talk() -> None:
        activity = IdleTracker()

        async def wait() -> None:
            with activity.receiving():
                await asyncio.sleep(3600)

        async def work() -> str:
            with activity.receiving():
                await asyncio.sleep(0)
            await asyncio.sleep(0.05)
            return "done"

        waiting, working = asyncio.create_task(wait()), asyncio.create_task(work())
        await asyncio.sleep(0.01)
        activity.dismiss()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert await working == "done"

    asyncio.run(talk())


def test_what_is_done_at_once_ends_idleness() -> None:
    now = [0.0]
    activity = IdleTracker(lambda: now[0])
    now[0] = 5
    activity.touch()
    now[0] = 7
    assert activity.idle() == 2
