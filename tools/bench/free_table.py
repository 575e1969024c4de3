"""One table of a report whose columns are its own: figures, and what is wanted of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tools.bench.table import Sample

if TYPE_CHECKING:
    from collections.abc import Iterator

#: words that name a side, alone or after a comma, in a column or at the start of a line
SIDES = ("ours", "published")
#: units of ratios, which are made of other figures
RATIOS = ("×", "%")
#: unit -> how a figure is written
UNITS = {
    "/s": "{:,.0f}",
    "×": "{:.2f}×",
    "%": "{:.0f} %",
    "s": "{:.2f} s",
    "ms": "{:.2f} ms",
    "µs": "{:.0f} µs",
    "MiB": "{:.1f} MiB",
}


@dataclass(frozen=True)
class Figure:
    """One figure, with the bound that is wanted, if there is one."""

    value: float
    unit: str
    at_least: float | None = None
    at_most: float | None = None
    #: words that belong to it
    beside: str | None = None

    def reached(self) -> bool:
        """Whether it is as wanted."""
        enough = self.at_least is None or self.value >= self.at_least
        return enough and (self.at_most is None or self.value <= self.at_most)

    def __str__(self) -> str:
        text = UNITS[self.unit].format(self.value)
        if self.beside is not None:
            text += f" [{self.beside}]"
        if self.at_least is not None:
            text += f" (≥ {self.at_least:g})"
        if self.at_most is not None:
            text += f" (≤ {self.at_most:g})"
        return text

    def as_json(self) -> dict[str, object]:
        """Return the figure, and what belongs to it."""
        more = {"at_least": self.at_least, "at_most": self.at_most, "beside": self.beside}
        given = {name: value for name, value in more.items() if value is not None}
        return {"value": self.value, "unit": self.unit, **given}


#: a cell: a figure, words in the place of one, or nothing
Cell = Figure | str | None


@dataclass
class FreeTable:
    """A table with a title, and remarks below it."""

    title: str
    columns: list[str]
    lines: list[tuple[str, list[Cell]]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, name: str, *cells: Cell) -> None:
        """Append a line."""
        assert len(cells) == len(self.columns) - 1, (name, cells)
        self.lines.append((name, list(cells)))

    def markdown(self) -> str:
        """Draw it; a star stands before a line that misses what is wanted of it."""
        rule = "|---|" + "---:|" * (len(self.columns) - 1)
        lines = [f"### {self.title}", "", f"| {' | '.join(self.columns)} |", rule]
        for name, cells in self.lines:
            missed = any(isinstance(cell, Figure) and not cell.reached() for cell in cells)
            texts = ["–" if cell is None else str(cell) for cell in cells]
            lines.append(f"| {' | '.join([('* ' if missed else '') + name, *texts])} |")
        for note in self.notes:
            lines += ["", note]
        return "\n".join(lines) + "\n"

    def as_json(self) -> dict[str, object]:
        """Return title, notes, and for each line its figures by column."""
        lines = [
            {
                self.columns[0]: name,
                **{
                    column: cell.as_json() if isinstance(cell, Figure) else cell
                    for column, cell in zip(self.columns[1:], cells, strict=True)
                },
            }
            for name, cells in self.lines
        ]
        return {"title": self.title, "lines": lines, "notes": self.notes}

    def samples(self) -> Iterator[Sample]:
        """Yield the figures of ours and of the published server; where none is named, all."""
        found = []
        for name, cells in self.lines:
            words = [name, *(cell for cell in cells if isinstance(cell, str))]
            for column, cell in zip(self.columns[1:], cells, strict=True):
                is_baseline = "raw" in column.split()
                if isinstance(cell, Figure) and cell.unit not in RATIOS and not is_baseline:
                    parts = ", ".join([*words, column]).split(", ")
                    side = next((part for part in parts if part in SIDES), "")
                    label = ", ".join(part for part in parts if part != side)
                    found.append(Sample(label, side, cell.unit, cell.value))
        named = [sample for sample in found if sample.side]
        yield from named or (sample._replace(side=SIDES[0]) for sample in found)
