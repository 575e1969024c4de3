"""Console output: findings as one JSON object or as tables, and progress bars on stderr.

Findings are a mapping of names to plain values; a list of mappings is printed as a table. Values
of a database are printed as text, never as markup or as control codes of the terminal.
"""

from __future__ import annotations

import io
import json
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from seamless_database.admin.interruption import INTERRUPTION

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

T = TypeVar("T")

#: columns of output that is not a terminal: wide enough for rows with two checksums
WIDTH = 240


def show(findings: Mapping[str, Any], *, as_json: bool) -> None:
    """Print findings on stdout."""
    if as_json:
        sys.stdout.write(json.dumps(findings, indent=2) + "\n")
        return
    console = Console()
    if console.is_terminal:
        _print_tables(console, findings)
        return
    console = Console(width=WIDTH, file=io.StringIO())
    with console.capture() as captured:
        _print_tables(console, findings)
    # without the padding of tables
    lines = (line.rstrip() for line in captured.get().splitlines())
    sys.stdout.write("".join(f"{line}\n" for line in lines))


def _print_tables(console: Console, findings: Mapping[str, Any]) -> None:
    simple = {name: value for name, value in findings.items() if not _is_rows(value)}
    grid = Table.grid(padding=(0, 2))
    for name, value in _flatten(simple):
        grid.add_row(Text(name, style="bold"), _cell(value))
    console.print(grid)
    for name, value in findings.items():
        if _is_rows(value) and value:
            console.print(_table(_label(name), value))


def _table(title: str, rows: list[dict[str, Any]]) -> Table:
    table = Table(title=Text(title, style="bold"), title_justify="left", box=SIMPLE_HEAD)
    names = list(dict.fromkeys(name for row in rows for name in row))
    for name in names:
        numeric = all(isinstance(row.get(name), int | float) for row in rows)
        table.add_column(
            Text(_label(name)), justify="right" if numeric else "left", overflow="fold"
        )
    for row in rows:
        table.add_row(*(_cell(row.get(name)) for name in names))
    return table


def _flatten(findings: Mapping[str, Any], prefix: str = "") -> Iterable[tuple[str, Any]]:
    for name, value in findings.items():
        if isinstance(value, dict):
            yield from _flatten(value, f"{prefix}{_label(name)}: ")
        else:
            yield prefix + _label(name), value


def _is_rows(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, dict) for item in value)


def _label(name: str) -> str:
    return name.replace("_", " ")


def _cell(value: object) -> Text:
    if value is None:
        return Text("–")
    if isinstance(value, bool):
        return Text("yes" if value else "no")
    if isinstance(value, int):
        return Text(f"{value:,}")
    if isinstance(value, list):
        return Text(", ".join(_printable(str(item)) for item in value) or "–")
    return Text(_printable(str(value)))


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


class ProgressBars:
    """The progress bars of one command: one for each task."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    def track(
        self,
        items: Iterable[T],
        label: str,
        total: int | None = None,
        size: Callable[[T], int] = lambda _item: 1,
    ) -> Iterator[T]:
        """Yield the items, and add up their sizes in a progress bar."""
        enabled = not self._progress.disable
        task = self._progress.add_task(label, total=total)
        for item in items:
            INTERRUPTION.check()
            yield item
            if enabled:
                self._progress.advance(task, size(item))
        self._progress.update(task, visible=False)

    @contextmanager
    def task(self, label: str) -> Iterator[Callable[[int, int], None]]:
        """Show a progress bar during the block; yields a function that takes (done, total)."""
        INTERRUPTION.check()
        task = self._progress.add_task(label, total=None)
        yield lambda done, total: self._progress.update(task, completed=done, total=total)
        self._progress.update(task, visible=False)


@contextmanager
def progress_bars() -> Iterator[ProgressBars]:
    """Show progress during the block, if stderr is a terminal, and defer signals.

    A signal ends the command at the next item of a bar, or row of a query.
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
