"""Values that a cell type stores only in part: the bytes stay the same, with a warning."""

from __future__ import annotations

import asyncio
import datetime
import decimal
import inspect
import pathlib
import sys
import uuid
import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest
from python_runs import run_python

import seamless
from seamless import Buffer, LossyValueWarning

AS_TEXT = ["text", "str", "bytes", "yaml", "python", "ipython"]


def table(middle: float) -> pd.DataFrame:
    """Return a table of 1,000 rows, of which its text shows the first and the last."""
    values = np.arange(1000.0)
    values[500] = middle
    return pd.DataFrame({"time": np.arange(1000), "value": values})


def warning(value: object, celltype: str) -> str:
    """Store a value; return the message of its only warning."""
    with pytest.warns(LossyValueWarning) as caught:
        Buffer(value, celltype)
    (only,) = caught
    assert only.filename == __file__
    return str(only.message)


def test_the_category_is_public_and_can_be_caught_as_a_user_warning() -> None:
    assert "LossyValueWarning" in seamless.__all__
    assert issubclass(LossyValueWarning, UserWarning)


@pytest.mark.parametrize("celltype", AS_TEXT)
def test_tables_that_differ_in_the_middle_have_one_checksum_and_a_warning(celltype: str) -> None:
    message = warning(table(1), celltype)
    assert "DataFrame" in message
    assert "store value.to_csv() as text" in message
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LossyValueWarning)
        assert Buffer(table(1), celltype) == Buffer(table(2), celltype)


def test_the_warning_is_for_the_line_that_stores_the_value() -> None:
    line = sys._getframe().f_lineno + 2
    with pytest.warns(LossyValueWarning) as caught:
        Buffer(table(1), "text")
    assert [(each.filename, each.lineno) for each in caught] == [(__file__, line)]


def test_the_advice_of_the_warning_keeps_the_whole_table() -> None:
    assert Buffer(table(1).to_csv(), "text") != Buffer(table(2).to_csv(), "text")
    columns = [{name: each.to_numpy() for name, each in table(n).items()} for n in (1, 2)]
    assert Buffer(columns[0], "mixed") != Buffer(columns[1], "mixed")


@pytest.mark.parametrize("celltype", [name for name in AS_TEXT if name != "bytes"])
@pytest.mark.parametrize(
    "array", [np.arange(2000), np.array([1 / 3]), np.array([[1 + 1e-9]]), np.array([1 / 3 + 1j])]
)
def test_an_array_with_a_shortened_text_warns(array: Any, celltype: str) -> None:
    message = warning(array, celltype)
    assert "numpy.ndarray" in message
    assert "store it as binary" in message


class Plain:
    """An object with the default `str`."""


@pytest.mark.parametrize("celltype", AS_TEXT)
@pytest.mark.parametrize("value", [object(), Plain(), lambda: 1, inspect.getsource, iter([])])
def test_a_memory_address_warns(value: object, celltype: str) -> None:
    message = warning(value, celltype)
    assert f"of type {type(value).__module__}.".replace("builtins.", "") in message
    if inspect.isfunction(value):
        assert "inspect.getsource(value)" in message


@pytest.mark.parametrize("value", [[np.arange(2000)], {"a": (table(1),)}, {1: [object()]}])
def test_a_shortened_text_inside_containers_warns(value: object) -> None:
    assert "str() of a value of type " in warning(value, "text")


def test_a_container_in_itself_warns() -> None:
    endless: list[object] = []
    endless.append(endless)
    assert "of type list" in warning(endless, "text")


@pytest.mark.parametrize(
    ("value", "celltype"),
    [
        *[(value, celltype) for celltype in AS_TEXT for value in (
            "an ellipsis ... at 0x7f00", b"... at 0x7f00", bytearray(b"..."), 5, 2.5, None, True,
            {"a": ["...", b" at 0x7f", "array("]}, [1] * 5000, {"x": "line\nbreak"},
            decimal.Decimal("1.10"), datetime.datetime(2026, 1, 31), uuid.UUID(int=5),
            pathlib.PurePosixPath("a/b"), np.float64(1 / 3), pd.Timestamp("2026-01-31"),
            np.array([1, 2, 3]), np.array([1.5, 0.25]), [np.array([True])], np.array(1 / 3),
        )],
        (np.arange(2000) / 3, "bytes"),
        (memoryview(b"abc"), "bytes"),
        (np.ma.array([1, 2, 3]), "binary"),
        (np.ma.array([1, 2, 3]), "mixed"),
        ({"a": np.ma.array([1, 2, 3], mask=False)}, "mixed"),
        ({"a": b"abc", "b": b""}, "mixed"),
        (b"ends in NUL\0", "bytes"),
        (b"ends in NUL\0", "binary"),
        (np.arange(2000), "binary"),
    ],
)  # fmt: skip
def test_a_value_that_is_stored_completely_does_not_warn(value: object, celltype: str) -> None:
    Buffer(value, celltype)  # warnings are errors in these tests


@pytest.mark.parametrize("celltype", ["binary", "mixed", "bytes"])
def test_a_mask_that_is_lost_warns(celltype: str) -> None:
    masked = np.ma.array([1, 2, 3], mask=[False, True, False])
    message = warning(masked, celltype)
    assert "MaskedArray" in message
    kept = {"data": masked.data, "mask": masked.mask}
    assert "{'data': value.data, 'mask': value.mask} as mixed" in message
    assert Buffer(kept, "mixed").get_value("mixed")["mask"].tolist() == [False, True, False]


def test_a_mask_that_is_lost_inside_a_dict_warns() -> None:
    masked = np.ma.array([1, 2, 3], mask=[False, True, False])
    assert "the mask" in warning({"a": [masked]}, "mixed")


def test_a_table_as_an_array_loses_its_names() -> None:
    assert "the index and the names of a value of type DataFrame" in warning(table(1), "binary")


@pytest.mark.parametrize("value", [b"ab\0", {"a": b"ab\0"}, [b"\0"]])
def test_bytes_that_item_would_truncate_warn_and_tobytes_keeps_them(value: Any) -> None:
    assert "use its tobytes()" in warning(value, "mixed")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LossyValueWarning)
        read = Buffer(value, "mixed").get_value("mixed")
    if isinstance(value, (dict, list)):
        key: Any = "a" if isinstance(value, dict) else 0
        read, value = read[key], value[key]
    assert read.tobytes() == value


def test_coroutines_warn_too() -> None:
    with pytest.warns(LossyValueWarning, match="DataFrame"):
        asyncio.run(Buffer.from_async(table(1), "text"))


def test_an_error_filter_turns_the_warning_into_an_error() -> None:
    code = """
        from seamless import Buffer, LossyValueWarning
        try:
            Buffer(object(), "text")
        except LossyValueWarning as warning:
            print(warning)
    """
    assert "type object " in run_python(code).stdout  # which runs with -W error
