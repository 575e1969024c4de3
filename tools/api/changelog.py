"""A package's changelog: its sections, and which changes the latest of them names.

A name counts as named where a code span has it, whole or from one of its dots on: `Buffer.load`
and `load` both name `seamless.buffer_class.Buffer.load`. What lies inside something that is new
or gone itself goes with that.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tools.api.changes import Change

_HEADING = re.compile(r"^## \[?(?P<version>[^\s\]]+)\]?(?: \((?P<when>[^)]*)\))?$", re.MULTILINE)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
#: code spans; they may go on in the next line, fenced blocks start with more back-quotes
_SPAN = re.compile(r"(?<!`)`([^`]+)`(?!`)")
_WORD = re.compile(r"[\w.-]+")


@dataclass(frozen=True)
class Entry:
    """What one version brought."""

    version: str
    #: None as long as it is not released
    date: str | None
    text: str

    def names(self, change: Change, others: list[Change]) -> bool:
        """Whether a change is named, by itself or by what holds it."""
        if change.section == "bytes":
            return change.old is None or change.name.partition(":")[0] in self._words()
        alike = {
            other.name
            for other in others
            if other.section == change.section
            and (other.old is None) is (change.old is None)
            and (other.new is None) is (change.new is None)
        }
        words = self._words()
        # a module is named by whatever is called by its full name
        if any(word.startswith(f"{change.name}.") for word in words):
            return True
        return any(
            _is_named(name, words)
            for name in (change.name, *holders(change.name))
            # the package as a whole is no name for what is in it
            if name == change.name or (name in alike and re.search("[. ]", name))
        )

    def _words(self) -> set[str]:
        spans = _SPAN.findall(self.text)
        return {word.strip(".-") for span in spans for word in _WORD.findall(span)}


def entries(text: str) -> list[Entry]:
    """Return the entries of a changelog, latest first."""
    found = list(_HEADING.finditer(text))
    ends = [*(match.start() for match in found[1:]), len(text)]
    return [
        Entry(
            match["version"],
            match["when"] if _DATE.fullmatch(match["when"] or "") else None,
            text[match.end() : end],
        )
        for match, end in zip(found, ends, strict=True)
    ]


def holders(name: str) -> list[str]:
    """Return all that hold something: modules, classes, commands, requests, tables."""
    return [name[: match.start()] for match in re.finditer(r"[. ]", name)]


def _is_named(name: str, words: set[str]) -> bool:
    *_, last = parts = re.split(r"[ ,]+", name)
    spellings = [part.strip("-") for part in parts if part.startswith("-")]
    for spelling in spellings or [last]:
        pieces = spelling.split(".")
        if any(".".join(pieces[start:]) in words for start in range(len(pieces))):
            return True
    return False
