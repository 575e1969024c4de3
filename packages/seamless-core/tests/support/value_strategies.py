"""Random values of the cell types, for property tests."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

CHARACTERS = st.characters(exclude_categories=["Cs"])  # lone surrogates have no UTF-8
TEXTS = st.text(CHARACTERS, max_size=20)
LINES = st.text(CHARACTERS, max_size=30)
INTEGERS = st.integers(-(2**63), 2**64 - 1)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
JSON_SCALARS = st.none() | st.booleans() | INTEGERS | FLOATS | TEXTS
JSON_VALUES = st.recursive(
    JSON_SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=8,
)
ARRAYS: st.SearchStrategy[Any] = (
    st.lists(FLOATS, max_size=4).map(np.array)
    | INTEGERS.map(np.array)
    | FLOATS.map(np.array)
    | st.booleans().map(np.array)
    | st.binary(min_size=1).map(np.array)
)
MIXED_VALUES = st.recursive(
    JSON_SCALARS | ARRAYS,
    lambda inner: st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=5,
)
SOURCES = st.sampled_from(["", "x = 1", "def f(a):\n    return a + 1", "# nothing", "print('é')"])
DOCUMENTS = st.sampled_from(
    [
        "",
        "a: 1\nb: [x, y]",
        "- 1\n- 2.5\n- null\n- yes",
        "text: |\n  two\n  lines",
        "day: 2001-12-14\n2: one\ntrue: two",
        "a: &x {k: .nan}\nb: *x",
        "!!set {a, b}",
        "12345678901234567890123",
    ]
)

#: cell type -> its values
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "binary": ARRAYS,
    "mixed": MIXED_VALUES,
    "text": LINES | JSON_VALUES.map(str),
    "python": SOURCES,
    "ipython": SOURCES,
    "plain": JSON_VALUES,
    "yaml": DOCUMENTS,
    "str": LINES | INTEGERS.map(str) | FLOATS.map(str) | st.booleans(),
    "bytes": st.binary(min_size=1) | LINES.map(str.encode).filter(bool),
    "int": INTEGERS,
    "float": FLOATS,
    "bool": st.booleans(),
}
