"""A pytest plugin: says to coverage which test runs, and writes how long each took and its end.

A subprocess does not know when the next test begins; what it reaches counts for every test of the
file that started it.
"""

from __future__ import annotations

import functools
import json
import os
from typing import TYPE_CHECKING

import coverage
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

#: the file that the outcomes are appended to
OUTCOMES = "MUTATION_OUTCOMES"
#: the context of subprocesses, as the configuration of coverage names it
CONTEXT = "MUTATION_CONTEXT"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Set the test for this process and the file for its subprocesses."""
    os.environ[CONTEXT] = item.nodeid.partition("::")[0]
    measured = coverage.Coverage.current()
    if measured is not None:
        measured.switch_context(item.nodeid)
    return (yield)


def pytest_configure() -> None:
    """Open the file of outcomes, before a test takes on a user who may not."""
    _outcomes()


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Append one line for each phase; short lines are written whole by several processes."""
    if hasattr(report, "node"):
        return  # the process that runs no tests of its own gets each again
    line = json.dumps([report.nodeid, report.duration, report.outcome])
    os.write(_outcomes(), line.encode() + b"\n")


@functools.cache
def _outcomes() -> int:
    return os.open(os.environ[OUTCOMES], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
