"""What differs between two surfaces, and which step of the version that asks for.

| change | step |
|---|---|
| something is gone, or other than it was | major |
| a callable takes more, all of it optional; annotations alone are other | minor |
| something new | minor |
| something new that has to be given: an argument, a field; a column of an old table | major |
| a golden vector is new | patch |
| a golden vector is other or gone | major, even below 1.0 |

Below 1.0, a minor step is enough for what would be a major one, bytes excepted.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

from packaging.version import Version

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tools.api.surface import Section, Surface


class Step(IntEnum):
    """A step of semantic versioning."""

    PATCH = 0
    MINOR = 1
    MAJOR = 2


@dataclass(frozen=True)
class Change:
    """One difference; `old` is None for something new, `new` for something that is gone."""

    section: str
    name: str
    old: str | None
    new: str | None
    step: Step

    def __str__(self) -> str:
        """One line for a person."""
        what = f"{self.section}: {self.name}"
        if self.old is None:
            return f"added {what} ({self.new})"
        if self.new is None:
            return f"removed {what}"
        return f"changed {what}: {self.old} → {self.new}"


def changes(old: Surface, new: Surface) -> list[Change]:
    """Return all differences, section by section."""
    return [
        change
        for section in new.sections
        for change in _of_section(section, old.sections.get(section, {}), new.sections[section])
    ]


def asked_step(found: list[Change], version: str) -> Step:
    """Return the step that the changes ask for, coming from a version."""
    step = max((change.step for change in found), default=Step.PATCH)
    if step is Step.MAJOR and Version(version).major == 0:
        bytes_changed = any(c.section == "bytes" and c.step is Step.MAJOR for c in found)
        return Step.MAJOR if bytes_changed else Step.MINOR
    return step


def taken_step(old: str, new: str) -> Step | None:
    """Return the step from one version to the next; None if it goes back or stays."""
    before, after = Version(old), Version(new)
    if after <= before:
        return None
    if after.major > before.major:
        return Step.MAJOR
    return Step.MINOR if after.minor > before.minor else Step.PATCH


def _of_section(section: str, old: Section, new: Section) -> Iterator[Change]:
    for name in sorted({*old, *new}):
        if name not in new:
            yield Change(section, name, old[name] or "known by name", None, Step.MAJOR)
        elif name not in old:
            text = str(new[name])
            yield Change(section, name, None, text, _step_of_new(section, name, text, old))
        elif old[name] not in (None, new[name]):
            before, after = str(old[name]), str(new[name])
            yield Change(section, name, before, after, _step_of_other(section, before, after))


def _step_of_new(section: str, name: str, text: str, old: Section) -> Step:
    if section == "bytes":
        return Step.PATCH
    owner = name.rpartition("." if section == "tables" else " ")[0]
    must_be_given = (
        (section == "protocol" and text.startswith("required"))
        or (section == "commands" and _must_be_given(text))
        or section == "tables"
    )
    return Step.MAJOR if must_be_given and owner in old else Step.MINOR


def _must_be_given(text: str) -> bool:
    return "required" in text or (text.startswith("argument") and "optional" not in text)


def _step_of_other(section: str, before: str, after: str) -> Step:
    if section == "protocol" and after == before.replace("required", "optional"):
        return Step.MINOR
    if section == "names" and _takes_all_of(before, after):
        return Step.MINOR
    return Step.MAJOR


def _takes_all_of(before: str, after: str) -> bool:
    """Whether every call of one signature is one of the other, annotations aside."""
    old, new = _arguments(before), _arguments(after)
    if old is None or new is None:
        return before.partition(":")[0] == after.partition(":")[0] and " = " not in before + after
    if before.partition("def ")[0] != after.partition("def ")[0]:
        return False
    kept = len(old.positional)
    return (
        new.positional[:kept] == old.positional
        and new.keywords.items() >= old.keywords.items()
        and all(default is not None for _, default in new.positional[kept:])
        and all(
            default is not None
            for name, default in new.keywords.items()
            if name not in old.keywords
        )
        and new.stars >= old.stars
    )


@dataclass(frozen=True)
class _Arguments:
    """A signature without its annotations: names, and defaults as text."""

    positional: list[tuple[str, str | None]]
    keywords: Mapping[str, str | None]
    stars: set[str]


def _arguments(text: str) -> _Arguments | None:
    _, found, signature = text.partition("def (")
    if not found:
        return None
    function = ast.parse(f"def f({signature}: ...").body[0]
    assert isinstance(function, ast.FunctionDef)
    arguments = function.args
    plain = [*arguments.posonlyargs, *arguments.args]
    missing = [None] * (len(plain) - len(arguments.defaults))
    defaults = [*missing, *map(ast.unparse, arguments.defaults)]
    only = [f"{argument.arg}/" for argument in arguments.posonlyargs]
    labels = [*only, *(argument.arg for argument in arguments.args)]
    keywords = {
        argument.arg: None if default is None else ast.unparse(default)
        for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    }
    stars = {"*"} if arguments.vararg else set()
    stars |= {"**"} if arguments.kwarg else set()
    return _Arguments(list(zip(labels, defaults, strict=True)), keywords, stars)
