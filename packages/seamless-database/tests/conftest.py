"""What every test of this package leaves behind it: the signal handlers that it found."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

#: what the command takes over when it is called in this process
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@pytest.fixture(autouse=True)
def _signals_as_found() -> Iterator[None]:
    """Set back the handlers, which a command leaves to the end of its process."""
    found = {number: signal.getsignal(number) for number in SIGNALS}
    yield
    for number, handler in found.items():
        signal.signal(number, handler)
