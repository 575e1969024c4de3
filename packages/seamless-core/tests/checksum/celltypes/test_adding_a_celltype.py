"""A cell type is added to a copy of the package by the checklist of CONTRIBUTING.md, and works."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[3]
ROOT = PACKAGE.parents[1]
CHECKLIST = "tests/checksum/celltypes/test_celltype_checklist.py"

# -- the three steps of the checklist that make a cell type ----------------------------------

CODEC = '''\
"""`lines`: a list of texts without newlines, stored as one line each."""

from __future__ import annotations

from typing import Any

from seamless.checksum.celltypes import text
from seamless.checksum.celltypes.codec import Codec


def to_bytes(value: Any) -> bytes:
    """Write a list of lines."""
    if not isinstance(value, list) or not all(isinstance(line, str) for line in value):
        raise TypeError("lines are a list of texts")
    return "".join(line + "\\n" for line in value).encode()


def from_bytes(content: bytes) -> list[str]:
    """Read the lines of a text."""
    return text.from_bytes(content).split("\\n") if content.rstrip(b"\\n") else []


LINES = Codec(to_bytes=to_bytes, from_bytes=from_bytes, check=from_bytes)
'''
ENTRY = '    "lines": _Entry("lines", "LINES", rules.TEXT),\n'
ROW = "lines      ..     f?   ==    v=     v=      f?   v=   ..   =v   ..   ..   ..    ..\n"

# -- the steps that the checklist tests name --------------------------------------------------

SECTION = '    "lines": Section("A list of texts.", "One line each.", \'["a", "é"]\'),\n'
VECTORS = '        (("lines",), ("[]", "[\'a\', \'é\']", "5")),\n'
README_ROW = "| `lines` | a list of texts | one line each |\n"
STRATEGY = '    "lines": st.lists(LINES),\n'

#: what a program can do with the new cell type
PROGRAM = """
import pickle
from seamless import Buffer
from seamless.checksum.buffer_facts import compute_buffer_info
from seamless.checksum.buffer_info import (
    convert_from_buffer_info, validate_buffer_info, verify_buffer_info
)
from seamless.checksum.celltypes import celltypes
from seamless.checksum.conversion import (
    ConversionError, check_conversions, classify, conversion_reinterpret, conversion_trivial
)

assert celltypes[13:] == ["lines"]
check_conversions()
assert ("lines", "text") in conversion_trivial and ("lines", "yaml") in conversion_reinterpret

buffer = Buffer(["a", "b: c"], "lines")
assert buffer.content == b"a\\nb: c\\n"
assert buffer.get_value("lines") == ["a", "b: c"]
assert buffer.get_checksum().resolve("lines") == ["a", "b: c"]
for refused in (5, [1]):
    try:
        Buffer(refused, "lines")
    except TypeError as error:
        assert "list of texts" in str(error), error
    else:
        raise AssertionError(refused)

assert buffer.convert("lines", "text") is buffer
assert buffer.convert("lines", "plain").get_value("plain") == ["a", "b: c"]
assert Buffer(["x"], "plain").convert("plain", "lines").content == b"x\\n"
assert buffer.get_checksum().convert("lines", "mixed").resolve("mixed") == ["a", "b: c"]
for other in celltypes:
    for source, target in (("lines", other), (other, "lines")):
        try:
            buffer.convert(source, target)
        except ConversionError:
            assert not classify(source, target).always_works or source != "lines"
        except ValueError as error:
            raise AssertionError((source, target)) from error

info = compute_buffer_info(buffer.content, "lines")
assert info.as_dict() == {
    "length": 7, "is_utf8": True, "is_numpy": False, "is_seamless_mixed": False
}, info
validate_buffer_info(info, "lines")
assert verify_buffer_info(info, "lines")
assert convert_from_buffer_info(info, "lines", "text") is True
assert convert_from_buffer_info(info, "lines", "plain") == -1
assert convert_from_buffer_info(info, "lines", "int") is False
assert convert_from_buffer_info(info, "bytes", "lines") is None
"""


def edit(path: Path, marker: str, added: str) -> None:
    """Insert text before a marker, which occurs once."""
    text = path.read_text(encoding="utf-8")
    assert text.count(marker) == 1, f"{path.name}: {marker!r}"
    path.write_text(text.replace(marker, added + marker), encoding="utf-8")


def run(scratch: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python in the copy of the repository."""
    package = scratch / "packages" / "seamless-core"
    path = os.pathsep.join((f"{package / 'src'}", f"{package / 'tests' / 'support'}"))
    environment = {**os.environ, "PYTHONPATH": path, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=scratch,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def failed_steps(scratch: Path) -> set[str]:
    """Return the messages of the checklist tests that fail."""
    options = ("-q", "-p", "no:cacheprovider")
    file = f"packages/seamless-core/{CHECKLIST}"
    outcome = run(scratch, "-m", "pytest", *options, "-c", os.devnull, "--noconftest", file)
    assert outcome.returncode in (0, 1), outcome.stdout + outcome.stderr
    return set(re.findall(r"^E +AssertionError: (.*)", outcome.stdout, re.MULTILINE))


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    """A copy of what the checklist mentions, with the three steps that make a cell type."""
    package = tmp_path / "packages" / "seamless-core"
    shutil.copytree(PACKAGE / "src", package / "src")
    for name in ("README.md", "FORMATS.md", CHECKLIST, "tests/support/value_strategies.py",
                 "tests/golden/vectors.jsonl"):  # fmt: skip
        (package / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(PACKAGE / name, package / name)
    checksum = package / "src" / "seamless" / "checksum"
    (checksum / "celltypes" / "lines.py").write_text(CODEC, encoding="utf-8")
    table = checksum / "celltypes" / "__init__.py"
    edit(table, "}\n\ncelltypes: list[str]", ENTRY)
    edit(table, '"int", "float", "bool", "checksum"\n]', '"lines", ')
    edit(checksum / "conversion" / "matrix.py", '"""\n\n_SIGNS', ROW)
    return tmp_path


def test_three_steps_make_a_cell_type_that_works(scratch: Path) -> None:
    outcome = run(scratch, "-W", "error", "-c", PROGRAM)
    assert outcome.returncode == 0, outcome.stderr


@pytest.mark.skipif(not (ROOT / "tools").is_dir(), reason="tools/ is only in the repository")
def test_the_checklist_tests_name_the_steps_that_remain(scratch: Path) -> None:
    tools = scratch / "tools"
    for folder in ("formats", "golden"):
        shutil.copytree(ROOT / "tools" / folder, tools / folder)
    shutil.copy(ROOT / "tools" / "__init__.py", tools)
    remaining = failed_steps(scratch)
    for place in ("tools/formats/text.py", "tools/golden/cases.py", "README.md",
                  "value_strategies.py"):  # fmt: skip
        assert any(place in step for step in remaining), f"{place}: {remaining}"

    package = scratch / "packages" / "seamless-core"
    edit(tools / "formats" / "text.py", "}\n\nJSON_RULES", SECTION)
    edit(tools / "golden" / "cases.py", "    ]\n    return [\n", VECTORS)
    edit(package / "README.md", "| `checksum` | checksums, also nested", README_ROW)
    readme = (package / "README.md").read_text(encoding="utf-8")
    (package / "README.md").write_text(
        readme.replace("13 *cell types*", "14 *cell types*"), encoding="utf-8"
    )
    edit(package / "tests/support/value_strategies.py", '    "bool": st.booleans(),\n', STRATEGY)
    for command in (("tools.formats.page",), ("tools.golden.make", "--write")):
        outcome = run(scratch, "-m", *command)
        assert outcome.returncode == 0, outcome.stderr
    assert failed_steps(scratch) == set()
