"""Progress of long work, on a terminal only: on stderr, so that the output can be piped."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from seamless_database.admin.interruption import INTERRUPTION

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

T = TypeVar("T")


class ProgressBars:
    """The steps of one command, each with a bar of its own."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    def each(self, items: Iterable[T], what: str, total: int | None = None) -> Iterator[T]:
        """Go through the items, showing how far it is."""
        shown = not self._progress.disable
        task = self._progress.add_task(what, total=total)
        for item in items:
            INTERRUPTION.check()
            yield item
            if shown:
                self._progress.advance(task)
        self._progress.update(task, visible=False)

    @contextmanager
    def one(self, what: str) -> Iterator[Callable[[int, int], None]]:
        """Do one thing; gives a function to tell what is done of how much, if that is known."""
        INTERRUPTION.check()
        task = self._progress.add_task(what, total=None)
        yield lambda done, total: self._progress.update(task, completed=done, total=total)
        self._progress.update(task, visible=False)


@contextmanager
def steps() -> Iterator[ProgressBars]:
    """Show progress until the end of the block; nothing where stderr is no terminal.

    A signal waits for the end of a step, or of a row.
    """
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with (
        INTERRUPTION.deferred(),
        Progress(
            *columns, console=console, transient=True, disable=not console.is_terminal
        ) as progress,
    ):
        yield ProgressBars(progress)
