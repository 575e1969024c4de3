"""The event loop of this thread, whatever it takes, and never with a warning."""

from __future__ import annotations

import asyncio
import threading
import warnings

__all__ = ["get_event_loop"]


def get_event_loop() -> asyncio.AbstractEventLoop:
    """Return the running loop; else the thread's current loop; else a new one, made current."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        loop = _current_loop()
    if loop is None or loop.is_closed():
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
    return loop


def _current_loop() -> asyncio.AbstractEventLoop | None:
    try:
        if threading.current_thread() is not threading.main_thread():
            return asyncio.get_event_loop()
        # Only in the main thread do some versions make a loop here, and warn that they do.
        # The filters are those of all threads, so they are touched nowhere else.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            return asyncio.get_event_loop()
    except RuntimeError:
        return None
