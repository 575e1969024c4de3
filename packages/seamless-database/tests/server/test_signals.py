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


def test_a_start_without_a_signal_continues(request_to_stop: StopRequest) -> None:
    request_to_stop.check()


@pytest.mark.parametrize("number", STOP_SIGNALS)
def test_only_the_first_signal_interrupts(
    request_to_stop: StopRequest, number: signal.Signals
) -> None:
    with pytest.raises(Stopped):
        signal.raise_signal(number)
    for other in STOP_SIGNALS:
        signal.raise_signal(other)


def test_a_swallowed_interruption_is_raised_again(request_to_stop: StopRequest) -> None:
    with pytest.raises(Stopped):
        signal.raise_signal(signal.SIGTERM)
    with pytest.raises(Stopped):
        request_to_stop.check()


def test_a_deferred_signal_is_raised_by_the_next_check(request_to_stop: StopRequest) -> None:
    request_to_stop.defer()
    signal.raise_signal(signal.SIGTERM)
    with pytest.raises(Stopped):
        request_to_stop.check()


def test_a_signal_that_has_arrived_is_not_deferred(request_to_stop: StopRequest) -> None:
    with pytest.raises(Stopped):
        signal.raise_signal(signal.SIGTERM)
    with pytest.raises(Stopped):
        request_to_stop.defer()


def test_an_ignored_signal_stays_ignored() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    StopRequest().install()
    signal.raise_signal(signal.SIGHUP)
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN


def test_stop_signals_are_ignored_at_the_end(request_to_stop: StopRequest) -> None:
    signals.ignore()
    for number in STOP_SIGNALS:
        signal.raise_signal(number)
    request_to_stop.check()
