"""Hypothesis strategies for mixed values, and their comparison."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as nps

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | text
)


def _dtypes() -> st.SearchStrategy[np.dtype[Any]]:
    sizes = st.sampled_from(["?", "i1", "<i2", "<i4", "<i8", "u1", "<u4", "<f4", "<f8", "S3"])
    plain = sizes.map(np.dtype)
    names = st.lists(st.sampled_from("abcxyz"), min_size=1, max_size=4, unique=True)
    structs = names.flatmap(
        lambda fields: st.tuples(*[sizes] * len(fields)).map(
            lambda codes: np.dtype(list(zip(fields, codes, strict=True)), align=True)
        )
    )
    return plain | structs


arrays = _dtypes().flatmap(
    lambda dtype: nps.arrays(
        dtype, nps.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3)
    )
)
json_values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text, inner, max_size=4),
    max_leaves=12,
)
mixed_values = st.recursive(
    scalars | arrays,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=8,
)


def same(left: Any, right: Any) -> bool:
    """Return whether two values have the same type and content, including arrays."""
    if isinstance(left, np.ndarray):
        array = np.asarray(right)
        return array.dtype == left.dtype and array.shape == left.shape and _items(left, array)
    if type(left) is not type(right):
        return False
    if isinstance(left, dict):
        return list(left) == list(right) and all(same(left[key], right[key]) for key in left)
    if isinstance(left, list):
        return len(left) == len(right) and all(map(same, left, right))
    return bool(left == right)


def _items(left: np.ndarray[Any, Any], right: np.ndarray[Any, Any]) -> bool:
    if left.dtype.names is not None:
        return all(_items(left[name], right[name]) for name in left.dtype.names)
    return np.array_equal(left, right, equal_nan=left.dtype.kind == "f")
