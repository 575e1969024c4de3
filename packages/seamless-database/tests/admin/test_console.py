"""Progress bars on a terminal: their counts, and that they disappear at the end."""

from __future__ import annotations

import io
import signal

import pytest
from rich.console import Console
from rich.progress import Progress

from seamless_database.admin.console import ProgressBars, progress_bars
from seamless_database.admin.interruption import INTERRUPTION


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


def test_a_signal_ends_the_command_at_the_next_item_or_task() -> None:
    INTERRUPTION.install_handlers()
    with progress_bars() as bars:
        items = bars.track("abc", "Looking")
        assert next(items) == "a"
        signal.raise_signal(signal.SIGTERM)
        with pytest.raises(KeyboardInterrupt):
            next(items)
        with pytest.raises(KeyboardInterrupt), bars.task("Copying"):
            pytest.fail("the task has begun")
    INTERRUPTION.install_handlers()


@pytest.mark.parametrize("terminal", ["", "1"])
def test_progress_is_shown_on_stderr_if_that_is_a_terminal(
    terminal: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", terminal)
    with progress_bars() as bars:
        assert list(bars.track("abc", "Looking")) == ["a", "b", "c"]
    out, err = capsys.readouterr()
    assert out == ""
    assert ("Looking" in err) == bool(terminal)
