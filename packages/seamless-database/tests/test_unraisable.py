"""A signal within the callback of a weak reference: noted, and nothing is printed."""

from __future__ import annotations

import signal
import sys
import weakref
from collections.abc import Callable

import pytest

from seamless_database.admin.interruption import Interruption
from seamless_database.server.signals import Stopped, StopRequest
from seamless_database.unraisable import ignore_unraisable


class Thing:
    """An object for weak references."""


@pytest.fixture
def reported(monkeypatch: pytest.MonkeyPatch) -> list[type[BaseException]]:
    """Record the classes of the discarded exceptions that Python would print."""
    kinds: list[type[BaseException]] = []
    hook = lambda unraisable: kinds.append(unraisable.exc_type)  # noqa: E731
    monkeypatch.setattr(sys, "unraisablehook", hook)
    return kinds


def run_in_callback(function: Callable[[], object]) -> None:
    """Call a function where Python discards its exceptions."""
    thing = Thing()
    reference = weakref.ref(thing, lambda _: function())
    del thing
    assert reference() is None


def test_a_stop_signal_that_python_discards_is_raised_by_the_next_check(
    reported: list[type[BaseException]],
) -> None:
    request = StopRequest()
    request.install()
    run_in_callback(lambda: signal.raise_signal(signal.SIGTERM))
    assert reported == []
    with pytest.raises(Stopped):
        request.check()


def test_an_interruption_that_python_discards_is_raised_by_the_next_check(
    reported: list[type[BaseException]],
) -> None:
    interruption = Interruption()
    interruption.install_handlers()
    run_in_callback(lambda: signal.raise_signal(signal.SIGINT))
    assert reported == []
    with pytest.raises(KeyboardInterrupt):
        interruption.check()


def test_other_discarded_exceptions_are_reported(reported: list[type[BaseException]]) -> None:
    ignore_unraisable(Stopped)
    ignore_unraisable(KeyboardInterrupt)
    run_in_callback(lambda: 1 / 0)
    assert reported == [ZeroDivisionError]
