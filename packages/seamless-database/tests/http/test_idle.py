from __future__ import annotations

import asyncio

import pytest

from seamless_database.http.idle import IdleTracker


def test_idle_time_starts_when_the_last_request_finishes() -> None:
    now = [0.0]
    idle = IdleTracker(lambda: now[0])
    now[0] = 5
    assert idle.idle_seconds() == 5
    idle.request_started()
    now[0] = 9
    idle.request_finished()
    now[0] = 10
    assert idle.idle_seconds() == 1


def test_a_request_in_flight_is_no_idle_time() -> None:
    now = [0.0]
    idle = IdleTracker(lambda: now[0])
    idle.request_started()
    idle.request_started()
    idle.request_finished()
    now[0] = 100
    assert idle.idle_seconds() == 0


def test_only_requests_that_wait_for_their_client_are_cancelled() -> None:
    async def talk() -> None:
        idle = IdleTracker()

        async def wait() -> None:
            with idle.receiving():
                await asyncio.sleep(3600)

        async def work() -> str:
            with idle.receiving():
                await asyncio.sleep(0)
            await asyncio.sleep(0.05)
            return "done"

        waiting, working = asyncio.create_task(wait()), asyncio.create_task(work())
        await asyncio.sleep(0.01)
        states = [idle.shutting_down]
        idle.cancel_incomplete()
        assert [*states, idle.shutting_down] == [False, True]
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert await working == "done"

    asyncio.run(talk())
