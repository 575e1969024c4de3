"""Ctrl-C within a block that must not be interrupted."""

from __future__ import annotations

import os
import signal

import pytest

from seamless.cli.interrupts import defer_sigint


def test_ctrl_c_is_handled_at_the_end_of_the_block() -> None:
    steps = []

    def work() -> None:
        with defer_sigint():
            os.kill(os.getpid(), signal.SIGINT)
            steps.append("after the signal")

    with pytest.raises(KeyboardInterrupt):
        work()
    assert steps == ["after the signal"]


def test_without_ctrl_c_nothing_is_raised() -> None:
    before = signal.getsignal(signal.SIGINT)
    with defer_sigint():
        assert signal.getsignal(signal.SIGINT) is not before
    assert signal.getsignal(signal.SIGINT) is before


def test_an_ignored_ctrl_c_stays_ignored() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with defer_sigint():
            os.kill(os.getpid(), signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)
