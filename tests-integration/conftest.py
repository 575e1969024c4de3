"""Options for longer runs, and figures that are measured but never asserted."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from collections.abc import Callable

# a loaded machine makes one example late, which says nothing about the code
settings.register_profile(
    "no-deadline", settings.default, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("no-deadline")

# a shell ignores SIGINT for what it starts in the background, and every command would inherit that
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

#: option -> its default in continuous integration, and what it is
COUNTS = {
    "--kill-rounds": (20, "how often a server under load is killed"),
    "--truth-runs": (8, "how many random conversations are compared with the model"),
    "--fuzz-requests": (3000, "how many malformed requests are sent"),
}
#: the beginnings of test ids in the order in which they run; the first file installs the published
#: packages, which the others of its folder would wait for
ORDER = (
    "tests-integration/companions/test_agreement.py",
    "tests-integration/test_",
    "packages/seamless-database/",
    "tests-integration/companions/",
    "packages/seamless-core/",
)
#: the property of a test's report that carries a figure, also from another process
FIGURE = "figure"


def pytest_addoption(parser: pytest.Parser) -> None:
    for option, (default, about) in COUNTS.items():
        parser.addoption(option, type=int, default=default, metavar="N", help=about)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    def place(item: pytest.Item) -> int:
        return next(i for i, start in enumerate((*ORDER, "")) if item.nodeid.startswith(start))

    items.sort(key=place)


@pytest.fixture
def note(
    request: pytest.FixtureRequest, record_property: Callable[[str, object], None]
) -> Callable[[str], None]:
    """Report a figure at the end of the run."""
    return lambda figure: record_property(FIGURE, f"{request.node.name}: {figure}")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reports = [*terminalreporter.getreports("passed"), *terminalreporter.getreports("failed")]
    figures = [
        value
        for report in reports
        if isinstance(report, pytest.TestReport) and report.when == "call"
        for name, value in report.user_properties
        if name == FIGURE
    ]
    if figures:
        terminalreporter.section("figures")
        for figure in figures:
            terminalreporter.write_line(str(figure))
