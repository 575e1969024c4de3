"""Shared fixtures: the open state of Seamless, a small cache, and hostile stores."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest
from hostile_stores import hostile_folder, hostile_server
from hypothesis import HealthCheck, settings
from small_cache import cache, clock

import seamless

# a loaded machine makes one example late, which says nothing about the code
settings.register_profile(
    "no-deadline", settings.default, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("no-deadline")

# a shell ignores SIGINT for what it starts in the background, and every command would inherit that
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

__all__ = ["cache", "clock", "hostile_folder", "hostile_server"]


@pytest.fixture(autouse=True)
def _open_as_found() -> Iterator[None]:
    """Set back the flags of the life cycle, which some tests change on purpose."""
    found = seamless._closed, seamless._require_close
    yield
    seamless._closed, seamless._require_close = found
