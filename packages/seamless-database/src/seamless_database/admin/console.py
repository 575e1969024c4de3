"""Show what a command has found: one JSON object for machines, tables for people.

A finding is a mapping of names to plain values; a list of mappings is shown as a table. Whatever
comes out of a file is shown as text, never as markup or as codes for the terminal.
"""

from __future__ import annotations

import io
import json
import sys
from typing import TYPE_CHECKING, Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

#: columns when nobody looks: wide enough for every checksum to stay in one piece
WIDE = 240


def show(findings: Mapping[str, Any], *, as_json: bool) -> None:
    """Print findings on stdout."""
    if as_json:
        sys.stdout.write(json.dumps(findings, indent=2) + "\n")
        return
    console = Console(highlight=False, markup=False, emoji=False)
    if console.is_terminal:
        _tell(console, findings)
        return
    console = Console(highlight=False, markup=False, emoji=False, width=WIDE, file=io.StringIO())
    with console.capture() as captured:
        _tell(console, findings)
    # the padding of tables is for the eye only
    lines = (line.rstrip() for line in captured.get().splitlines())
    sys.stdout.write("".join(f"{line}\n" for line in lines))


def _tell(console: Console, findings: Mapping[str, Any]) -> None:
    simple = {name: value for name, value in findings.items() if not _is_rows(value)}
    grid = Table.grid(padding=(0, 2))
    for name, value in _flat(simple):
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


def _flat(findings: Mapping[str, Any], prefix: str = "") -> Iterable[tuple[str, Any]]:
    for name, value in findings.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{_label(name)}: ")
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
