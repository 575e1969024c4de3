"""Recognizes simple YAML: nested mappings and sequences of one-line values, nothing clever.

Parsers of YAML take a tenth of a millisecond for a line. Most documents are simple, and whether
one is well formed is seen from how its lines begin: in 2 µs each. What is not recognized here
may be right or wrong, and is for a parser to judge.
"""

from __future__ import annotations

import re
from typing import NamedTuple

_WORD = r"[A-Za-z_][\w./-]*"
_NUMBER = r"-?(?:0|[1-9]\d{0,15})(?:\.\d{1,15})?"
_QUOTED = r"\"[^\"\\]*\"|'[^']*'"
_ITEM = rf"(?:{_WORD}|{_NUMBER}|{_QUOTED})"
_VALUE = rf"{_WORD}(?: +[\w./-]+)*|{_NUMBER}|{_QUOTED}|\[ *(?:{_ITEM}(?: *, *{_ITEM})*)? *\]"

_EMPTY = re.compile(r" *(?:#.*)?")
#: indent, dash, then a key with or without a value, or an item of a sequence
_ENTRY = re.compile(rf"( *)(- )?(?:({_WORD}):(?: +({_VALUE}))?|({_VALUE}))(?: +#.*)? *", re.ASCII)
_PRINTABLE = re.compile(r"[\n -~]*")
_LONGEST = 1000  # characters; of a key, YAML allows 1024
_DEEPEST = 50  # mappings and sequences in one another; of hundreds, a parser may have enough


class _Level(NamedTuple):
    """A mapping or sequence that entries can be added to."""

    column: int
    is_sequence: bool


def is_simple_yaml(source: str) -> bool:
    """Whether text is well-formed YAML of the simple kind."""
    if not _PRINTABLE.fullmatch(source):
        return False
    levels: list[_Level] = []
    opened = True  # whether a mapping or sequence may begin: at first, and after a bare key
    for line in source.split("\n"):
        if _EMPTY.fullmatch(line):
            continue
        entry = _ENTRY.fullmatch(line) if len(line) <= _LONGEST else None
        if entry is None:
            return False
        indent, dash, key, value, item = entry.groups()
        if (item and not dash) or not _place(levels, _Level(len(indent), bool(dash)), opened):
            return False
        if dash and key:
            levels.append(_Level(len(indent) + len(dash), is_sequence=False))
        if len(levels) > _DEEPEST:
            return False
        opened = bool(key) and value is None
    return bool(levels)


def _place(levels: list[_Level], level: _Level, opened: bool) -> bool:
    """Find or open the level that an entry belongs to; false if there is none."""
    while levels and levels[-1].column > level.column:
        levels.pop()
        opened = False
    if levels and levels[-1].is_sequence and levels[-1] == (level.column, not level.is_sequence):
        levels.pop()  # a sequence may stand in the column of its key, which goes on here
        return bool(levels) and levels[-1] == level
    if levels and levels[-1] == level:
        return True
    may_open = not levels or levels[-1].column < level.column or level.is_sequence
    if opened and may_open:
        levels.append(level)
    return opened and may_open
