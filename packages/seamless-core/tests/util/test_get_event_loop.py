from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

from python_runs import run_python

from seamless.util.get_event_loop import get_event_loop

if TYPE_CHECKING:
    from collections.abc import Callable


def in_thread(function: Callable[[], None]) -> None:
    errors: list[BaseException] = []

    def work() -> None:
        try:
            function()
        except BaseException as error:  # noqa: BLE001 - raised below
            errors.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    if errors:
        raise errors[0]


def test_the_running_loop_is_returned() -> None:
    async def inside() -> None:
        assert get_event_loop() is asyncio.get_running_loop()

    asyncio.run(inside())


def test_a_thread_without_a_loop_gets_a_new_current_loop() -> None:
    def work() -> None:
        loop = get_event_loop()
        assert get_event_loop() is loop
        loop.close()

    in_thread(work)


def test_the_current_loop_is_returned() -> None:
    def work() -> None:
        mine = asyncio.new_event_loop()
        asyncio.set_event_loop(mine)
        assert get_event_loop() is mine
        mine.close()

    in_thread(work)


def test_a_closed_loop_is_replaced() -> None:
    def work() -> None:
        get_event_loop().close()
        loop = get_event_loop()
        assert not loop.is_closed()
        loop.close()

    in_thread(work)


def test_the_main_thread_gets_one_without_a_warning() -> None:
    code = """
        import asyncio
        from seamless.util.get_event_loop import get_event_loop
        loop = get_event_loop()
        assert get_event_loop() is loop
        loop.close()
        asyncio.set_event_loop(None)
        second = get_event_loop()
        assert not second.is_closed()
        second.close()
    """
    assert run_python(code).stderr == ""
