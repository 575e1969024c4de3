"""`get_event_loop`: returns the event loop of this thread; creates one if there is none."""

from __future__ import annotations

import asyncio
import contextlib

from seamless.util.ignored_warnings import ignored_warnings

__all__ = ["get_event_loop"]


def get_event_loop() -> asyncio.AbstractEventLoop:
    """Return the running loop; else the thread's current loop; else a new loop, set as current."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        loop = _current_loop()
    if loop is None or loop.is_closed():
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
    return loop


def _current_loop() -> asyncio.AbstractEventLoop | None:
    # some Python versions create a loop in the main thread, with a warning
    ignored = ignored_warnings(DeprecationWarning, message="There is no current event loop")
    with contextlib.suppress(RuntimeError), ignored:
        return asyncio.get_event_loop()
    return None
