"""The public surface: the committed files show it, and the changelogs name what changed in it."""

from __future__ import annotations

import ast
import importlib
import json
import re
from dataclasses import replace
from functools import cache

import pytest
from tools.api import __main__ as public_api
from tools.api import changelog, surface
from tools.api.changes import Change, Step, asked_step, changes, taken_step
from tools.api.commands import parser_of
from tools.api.packages import Package, packages
from tools.api.surface import Surface

PACKAGES = packages()
CORE_README = (PACKAGES["core"].folder / "README.md").read_text()
each_package = pytest.mark.parametrize("package", PACKAGES.values(), ids=list(PACKAGES))


@cache
def collected(short: str) -> Surface:
    return surface.collect(PACKAGES[short])


def surfaces(section: str, old: dict[str, str], new: dict[str, str]) -> list[Change]:
    before = Surface("seamless-core", "1.0.0", {section: old})
    return changes(before, Surface("seamless-core", "1.0.0", {section: new}))


def step(section: str, old: dict[str, str], new: dict[str, str]) -> Step:
    return asked_step(surfaces(section, old, new), "1.0.0")


# -- the packages as they are ---------------------------------------------------------


@each_package
def test_the_code_the_file_and_the_changelog_agree(package: Package) -> None:
    problems = public_api.problems(package, collected(package.short))
    assert not problems, "\n".join(problems)


@each_package
def test_the_version_is_far_enough_from_the_last_release(package: Package) -> None:
    before, code = public_api.last_release(package), collected(package.short)
    found = changes(before, code)
    taken = taken_step(before.version, code.version)
    assert not found or (taken is not None and taken >= asked_step(found, before.version))


@each_package
def test_every_public_module_and_name_can_be_imported(package: Package) -> None:
    wanted = {
        name: text
        for name, text in collected(package.short).sections["names"].items()
        if not re.match(r"attribute|writable|property", text or "")
    }
    for name in wanted:
        parts = name.split(".")
        for length in range(len(parts), 0, -1):
            try:
                found: object = importlib.import_module(".".join(parts[:length]))
            except ModuleNotFoundError:
                continue
            for part in parts[length:]:
                found = getattr(found, part)
            break
        else:
            pytest.fail(f"{name} cannot be imported")


def test_what_the_readme_imports_is_public() -> None:
    names = collected("core").sections["names"]
    code = "\n".join(re.findall(r"^```python\n(.*?)^```", CORE_README, re.DOTALL | re.MULTILINE))
    imports = [node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.ImportFrom)]
    shown = {f"{node.module}.{alias.name}" for node in imports for alias in node.names}
    shown = {name for name in shown if re.match(r"seamless\b", name)}
    assert shown
    assert shown <= set(names)


def test_every_request_and_field_of_the_protocol_is_noted() -> None:
    from seamless_database import request_types

    protocol = collected("database").sections["protocol"]
    assert {name.split()[1] for name in protocol} == {*request_types.READS, *request_types.WRITES}
    assert protocol["GET irreproducible result"] == "optional checksum"
    assert protocol["PUT semantic_to_syntactic value"] == "required list"


def test_the_fingerprint_of_the_bytes_changes_with_any_vector() -> None:
    core = collected("core")
    other = dict(core.sections["bytes"]) | {"plain: None": "0" * 12}
    changed = replace(core, sections=dict(core.sections) | {"bytes": other})
    key = "byte_fingerprint"
    assert json.loads(core.text())[key] != json.loads(changed.text())[key]


def test_a_written_surface_reads_back() -> None:
    for short in PACKAGES:
        assert changes(surface.read(collected(short).text()), collected(short)) == []


def test_a_command_that_parses_nothing_is_an_error() -> None:
    with pytest.raises(ValueError, match="parses no arguments"):
        parser_of(len)


# -- which step a change asks for -----------------------------------------------------

TAKES_X = "def (self, x: int) -> None"


@pytest.mark.parametrize(
    ("section", "old", "new", "expected"),
    [
        ("names", {"a.f": TAKES_X}, {}, Step.MAJOR),
        ("names", {}, {"a.f": TAKES_X}, Step.MINOR),
        ("names", {"a.f": TAKES_X}, {"a.f": TAKES_X}, Step.PATCH),
        ("names", {"a.f": TAKES_X}, {"a.f": "def (self, y: int) -> None"}, Step.MAJOR),
        ("names", {"a.f": TAKES_X}, {"a.f": "def (self, x: int | str) -> None"}, Step.MINOR),
        ("names", {"a.f": TAKES_X}, {"a.f": "def (self, x: int, y: int) -> None"}, Step.MAJOR),
        ("names", {"a.f": TAKES_X}, {"a.f": "def (self, x: int, *, y=1) -> None"}, Step.MINOR),
        ("names", {"a.f": TAKES_X}, {"a.f": "def (self, x: int, *, y) -> None"}, Step.MAJOR),
        ("names", {"a.f": TAKES_X}, {"a.f": "async def (self, x: int) -> None"}, Step.MAJOR),
        ("names", {"a.f": "def (x, /)"}, {"a.f": "def (x)"}, Step.MAJOR),
        ("names", {"a.x": "attribute = 1"}, {"a.x": "attribute = 2"}, Step.MAJOR),
        ("names", {"a.x": "property: int"}, {"a.x": "property: bool"}, Step.MINOR),
        ("commands", {"run": "command"}, {"run": "command", "run --v": "option"}, Step.MINOR),
        ("commands", {"run": "command"}, {"run": "command", "run X": "argument"}, Step.MAJOR),
        ("commands", {"run": "command", "run --v": "option"}, {"run": "command"}, Step.MAJOR),
        ("protocol", {"GET a": "request"}, {"GET a": "request", "GET a b": "required"}, Step.MAJOR),
        ("protocol", {}, {"GET a": "request", "GET a b": "required text"}, Step.MINOR),
        ("protocol", {"GET a b": "required text"}, {"GET a b": "optional text"}, Step.MINOR),
        ("tables", {"t": "table"}, {"t": "table", "t.c": "TEXT"}, Step.MAJOR),
        ("tables", {}, {"t": "table", "t.c": "TEXT"}, Step.MINOR),
        ("variables", {"A": "read"}, {}, Step.MAJOR),
        ("bytes", {}, {"plain: 1": "aa"}, Step.PATCH),
        ("bytes", {"plain: 1": "aa"}, {"plain: 1": "bb"}, Step.MAJOR),
    ],
)
def test_a_change_asks_for_its_step(
    section: str, old: dict[str, str], new: dict[str, str], expected: Step
) -> None:
    assert step(section, old, new) is expected


def test_below_one_only_bytes_ask_for_a_major_version() -> None:
    gone = surfaces("names", {"a.f": TAKES_X}, {})
    other_bytes = surfaces("bytes", {"plain: 1": "aa"}, {"plain: 1": "bb"})
    assert asked_step(gone, "0.3.0") is Step.MINOR
    assert asked_step(other_bytes, "0.3.0") is Step.MAJOR


def test_what_is_known_by_name_alone_may_be_like_anything() -> None:
    before = Surface("seamless-core", "1.0.0", {"names": {"a.f": None}})
    after = Surface("seamless-core", "1.0.0", {"names": {"a.f": TAKES_X}})
    assert changes(before, after) == []


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("0.1.4", "0.2.0", Step.MINOR),
        ("1.2.3", "1.2.4", Step.PATCH),
        ("1.2.3", "2.0.0", Step.MAJOR),
        ("1.2.3", "1.2.3", None),
        ("1.2.3", "1.1.9", None),
    ],
)
def test_the_step_between_two_versions_is_told(old: str, new: str, expected: Step | None) -> None:
    assert taken_step(old, new) is expected


# -- what a changelog names -----------------------------------------------------------

CHANGELOG = """\
# Changelog

## 0.3.0 (unreleased)

- `Buffer.pour(...)` pours; `seamless.tap.open` opens. `--deep` digs.

## 0.2.0 (2026-01-31)

- `old`
"""


def named(section: str, name: str, *others: str) -> bool:
    latest = changelog.entries(CHANGELOG)[0]
    found = surfaces(section, {}, dict.fromkeys((name, *others), "x"))
    return latest.names(next(change for change in found if change.name == name), found)


def test_the_entries_of_a_changelog_know_version_and_date() -> None:
    found = changelog.entries(CHANGELOG)
    assert [(entry.version, entry.date) for entry in found] == [
        ("0.3.0", None),
        ("0.2.0", "2026-01-31"),
    ]


def test_a_name_is_named_by_its_last_parts() -> None:
    assert named("names", "seamless.buffer_class.Buffer.pour")
    assert not named("names", "seamless.buffer_class.Buffer.old")
    assert not named("names", "seamless.buffer_class.Buffer")


def test_a_module_is_named_by_what_is_in_it() -> None:
    assert named("names", "seamless.tap")


def test_what_lies_inside_something_new_goes_with_that() -> None:
    assert named("names", "seamless.Buffer.pour.depth", "seamless.Buffer.pour")
    assert not named("names", "seamless.Buffer.pour.depth")


def test_an_option_is_named_by_any_of_its_spellings() -> None:
    assert named("commands", "run -d, --deep")
    assert not named("commands", "run --flat")


def test_changed_bytes_are_named_by_their_cell_type() -> None:
    other = surfaces("bytes", {"plain: 1": "aa"}, {"plain: 1": "bb"})
    assert not changelog.entries(CHANGELOG)[0].names(other[0], other)
    entry = changelog.Entry("1.0.0", None, "`plain` writes it otherwise")
    assert entry.names(other[0], other)


def test_a_released_entry_names_nothing_of_the_next_release() -> None:
    package = PACKAGES["core"]
    latest = changelog.entries(package.changelog.read_text())[0]
    before = replace(collected("core"), version=latest.version)
    found = surfaces("names", {}, {"seamless.classify": "x"})
    assert public_api.unnamed(package, before, found) == found
