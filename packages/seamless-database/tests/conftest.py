"""What every test of this package leaves behind it: the signal handlers that it found."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from database_targets import BACK_ENDS, DatabaseUnderTest, fresh_place
from hypothesis import HealthCheck, settings

from seamless_database.storage.backend import Backend

# a loaded machine makes one example late, which says nothing about the code
settings.register_profile(
    "no-deadline", settings.default, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("no-deadline")

# a shell ignores SIGINT for what it starts in the background, and every command would inherit that
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

#: what the command takes over when it is called in this process
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@pytest.fixture(params=BACK_ENDS)
def where(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path | str]:
    """An empty database of either kind: the path of a file that is not there yet, or a URL."""
    with fresh_place(request.param, tmp_path) as place:
        yield Path(place.target) if place.is_file else place.target


@pytest.fixture
def postgresql(tmp_path: Path) -> Iterator[str]:
    """The URL of an empty database."""
    with fresh_place("postgresql", tmp_path) as place:
        yield place.target


@pytest.fixture(autouse=True)
def _signals_as_found() -> Iterator[None]:
    """Set back the handlers, which a command leaves to the end of its process."""
    found = {number: signal.getsignal(number) for number in SIGNALS}
    yield
    for number, handler in found.items():
        signal.signal(number, handler)


@pytest.fixture(params=BACK_ENDS)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[DatabaseUnderTest]:
    """An empty database of either kind, that the test can look into."""
    with fresh_place(request.param, tmp_path) as place:
        yield place


@pytest.fixture
def database(place: DatabaseUnderTest) -> Iterator[Backend]:
    """The open database."""
    with place.open() as database:
        yield database
