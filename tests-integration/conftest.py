"""Options for longer runs, and figures that are measured but never asserted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

#: option -> its default in continuous integration, and what it is
COUNTS = {
    "--kill-rounds": (20, "how often a server under load is killed"),
    "--truth-runs": (8, "how many random conversations are compared with the model"),
    "--fuzz-requests": (3000, "how many malformed requests are sent"),
}
FIGURES: pytest.StashKey[list[str]] = pytest.StashKey()


def pytest_addoption(parser: pytest.Parser) -> None:
    for option, (default, about) in COUNTS.items():
        parser.addoption(option, type=int, default=default, metavar="N", help=about)


def pytest_configure(config: pytest.Config) -> None:
    config.stash[FIGURES] = []


@pytest.fixture
def note(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Report a figure at the end of the run."""

    def keep(figure: str) -> None:
        request.config.stash[FIGURES].append(f"{request.node.name}: {figure}")

    return keep


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    if config.stash[FIGURES]:
        terminalreporter.section("figures")
        for figure in config.stash[FIGURES]:
            terminalreporter.write_line(figure)
