"""FORMATS.md is generated from the tables in the code."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest

from seamless import Buffer
from seamless.checksum.celltypes import celltypes
from seamless.checksum.conversion import classify

PACKAGE = Path(__file__).resolve().parents[1]
REPOSITORY = PACKAGE.parents[1]
PAGE = (PACKAGE / "FORMATS.md").read_text(encoding="utf-8")
EXAMPLE = re.compile(
    r"`(Buffer\([^\n]*\))` has (\d+) bytes:\n\n```text\n(.*?)```\n\nand the checksum `(\w{64})`",
    re.DOTALL,
)
EXAMPLES = EXAMPLE.findall(PAGE)


def check(repository: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tools.formats.page", "--check"],
        cwd=repository,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


needs_the_tool = pytest.mark.skipif(
    not (REPOSITORY / "tools").is_dir(), reason="tools/ is only in the repository"
)


@needs_the_tool
def test_the_page_is_current() -> None:
    outcome = check(REPOSITORY)
    assert (outcome.returncode, outcome.stderr) == (0, "")


@needs_the_tool
def test_a_page_that_is_not_current_is_found(tmp_path: Path) -> None:
    package = tmp_path / "packages" / "seamless-core"
    package.mkdir(parents=True)
    shutil.copytree(REPOSITORY / "tools" / "formats", tmp_path / "tools" / "formats")
    shutil.copy(REPOSITORY / "tools" / "__init__.py", tmp_path / "tools")
    (package / "FORMATS.md").write_text(PAGE.replace("1e+16", "1e16"), encoding="utf-8")
    outcome = check(tmp_path)
    assert outcome.returncode == 1
    assert "not current" in outcome.stderr


def test_every_cell_type_has_its_section_and_example() -> None:
    assert sorted(re.findall(r"^### (\w+)$", PAGE, re.MULTILINE)) == sorted(celltypes)
    assert len(EXAMPLES) == len(celltypes)


@pytest.mark.parametrize("example", EXAMPLES, ids=[example[0][-12:] for example in EXAMPLES])
def test_an_example_has_the_shown_bytes_and_checksum(example: tuple[str, str, str, str]) -> None:
    expression, length, dump, checksum = example
    buffer: Buffer = eval(expression, {"np": np, "Buffer": Buffer})
    shown = "".join(line[8:55] for line in dump.splitlines())
    assert buffer.content == bytes.fromhex(shown)
    assert len(buffer) == int(length)
    assert buffer.get_checksum() == checksum


def test_the_drawn_matrix_is_that_of_classify() -> None:
    words = dict(re.findall(r"^\| `(.)` \| (\w+) \|", PAGE, re.MULTILINE))
    rows = [row.strip("| ").split(" | ") for row in PAGE.splitlines() if row.startswith("| **")]
    drawn = {
        (source.strip("*"), target): words[sign]
        for source, *signs in rows
        for target, sign in zip(celltypes, signs, strict=True)
    }
    assert len(drawn) == len(celltypes) ** 2
    assert all(drawn[pair] == classify(*pair).value for pair in permutations(celltypes, 2))
