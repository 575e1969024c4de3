"""Progress bars on a terminal: their counts, and that they disappear at the end."""

from __future__ import annotations

import io

import pytest
from rich.console import Console
from rich.progress import Progress

from seamless_database.admin.console import ProgressBars


@pytest.fixture
def progress() -> Progress:
    return Progress(console=Console(file=io.StringIO(), force_terminal=True))


def test_each_item_advances_the_bar(progress: Progress) -> None:
    bars = ProgressBars(progress)
    done = []
    for _ in bars.track("abc", "Looking", 3):
        (task,) = progress.tasks
        done.append((task.description, task.completed, task.total, task.visible))
    assert done == [("Looking", number, 3, True) for number in range(3)]
    assert (task.completed, task.visible) == (3, False)


def test_the_progress_of_a_task_is_shown(progress: Progress) -> None:
    with ProgressBars(progress).task("Copying") as report:
        (task,) = progress.tasks
        assert (task.completed, task.total) == (0, None)
        report(5, 20)
        assert (task.completed, task.total, task.visible) == (5, 20, True)
    assert not task.visible
