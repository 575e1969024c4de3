"""A stop signal ends a start once, and what it ends is not interrupted again."""

from __future__ import annotations

import signal

import pytest

from seamless_database.server import signals
from seamless_database.server.signals import STOP_SIGNALS, Stopped, StopRequest


@pytest.fixture
def request_to_stop() -> StopRequest:
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_DFL)
    request = StopRequest()
    request.install()
    return request


def test_without_a_signal_the_start_goes_on(request_to_stop: StopRequest) -> None:
    request_to_stop.check()


@pytest.mark.parametrize("number", STOP_SIGNALS)
def test_only_the_first_signal_interrupts(
    request_to_stop: StopRequest, number: signal.Signals
) -> None:
    with pytest.raises(Stopped):
        signal.raise_signal(number)
    for other in STOP_SIGNALS:
        signal.raise_signal(other)


def test_an_interruption_that_was_swallowed_is_not_forgotten(request_to_stop: StopRequest) -> None:
    with pytest.raises(Stopped):
        signal.raise_signal(signal.SIGTERM)
    with pytest.raises(Stopped):
        request_to_stop.check()


def test_a_signal_that_was_ignored_stays_so() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    StopRequest().install()
    signal.raise_signal(signal.SIGHUP)
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN


def test_at_the_end_all_are_ignored(request_to_stop: StopRequest) -> None:
    signals.ignore()
    for number in STOP_SIGNALS:
        signal.raise_signal(number)
    request_to_stop.check()
