"""The checklist "Add a cell type" of CONTRIBUTING.md: each test names the step that is missing."""

from __future__ import annotations

import json
import re
from itertools import product
from pathlib import Path
from typing import get_args

from value_strategies import VALUES

from seamless.checksum.celltypes import CellType, celltypes
from seamless.checksum.conversion import MATRIX, Conversion

TESTS = Path(__file__).resolve().parents[2]
README = (TESTS.parent / "README.md").read_text(encoding="utf-8")
PAGE = (TESTS.parent / "FORMATS.md").read_text(encoding="utf-8")


def test_the_type_for_type_checkers_lists_every_cell_type() -> None:
    assert set(get_args(CellType)) == set(celltypes), "edit CellType in celltypes/__init__.py"


def test_the_conversion_matrix_has_every_cell_type() -> None:
    pairs = set(product(celltypes, repeat=2))
    assert set(MATRIX) == pairs, "add a row to _ROWS in conversion/matrix.py"


def test_the_readme_describes_every_cell_type() -> None:
    table = README[README.index("| cell type |") : README.index("`Buffer(value, celltype)`")]
    missing = [celltype for celltype in celltypes if f"`{celltype}`" not in table]
    assert not missing, f"add to the table of cell types in README.md: {missing}"


def test_the_readme_has_the_number_of_cell_types() -> None:
    counted = f"{len(celltypes)} *cell types*"
    assert counted in README, f"the first paragraph of README.md must say: {counted}"


def test_the_page_of_formats_describes_every_cell_type() -> None:
    missing = set(celltypes).difference(re.findall(r"^### (\w+)$", PAGE, re.MULTILINE))
    assert not missing, (
        f"add to SECTIONS in tools/formats/text.py, then run tools.formats.page: {missing}"
    )


def test_every_cell_type_has_golden_vectors() -> None:
    lines = (TESTS / "golden" / "vectors.jsonl").read_text().splitlines()
    missing = set(celltypes).difference(json.loads(line)["celltype"] for line in lines)
    assert not missing, (
        f"add values to tools/golden/cases.py, then run tools.golden.make --write: {missing}"
    )


def test_every_cell_type_that_converts_has_random_values() -> None:
    converting = {
        source
        for (source, target), conversion in MATRIX.items()
        if source != target and conversion is not Conversion.FORBIDDEN
    }
    missing = converting.difference(VALUES)
    assert not missing, f"add to VALUES in tests/support/value_strategies.py: {missing}"
