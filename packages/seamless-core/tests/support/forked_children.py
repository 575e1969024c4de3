"""Runs a function in a forked child of this process, with a time limit."""

from __future__ import annotations

import faulthandler
import os
import signal
import traceback
import warnings
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

#: seconds after which a child counts as hanging
SECONDS = 60


def run_in_child(work: Callable[[], object], seconds: float = SECONDS) -> str:
    """Return the representation of what `work` returns in a forked child.

    Raises
    ------
    AssertionError
        With the child's traceback, or with the signal that ended it: SIGALRM when it hung.
    """
    reader, writer = os.pipe()
    with warnings.catch_warnings():
        # from 3.12 on Python warns of a fork with threads, which these tests need
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        _answer(work, writer, seconds)
    os.close(writer)
    with os.fdopen(reader, "r") as pipe:
        answer = pipe.read()
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status == 0, f"the child ended with status {status}: {answer}"
    return answer


def _answer(work: Callable[[], object], writer: int, seconds: float) -> None:
    """Run in the child: write to the pipe and exit, without the hooks of the test process."""
    status = 1
    try:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        faulthandler.register(signal.SIGALRM, file=2, chain=True)
        signal.setitimer(signal.ITIMER_REAL, seconds)
        try:
            answer = repr(work())
            status = 0
        except BaseException:  # noqa: BLE001 - reported to the parent
            answer = traceback.format_exc()
        os.write(writer, answer.encode()[:60_000])
    finally:
        os._exit(status)
