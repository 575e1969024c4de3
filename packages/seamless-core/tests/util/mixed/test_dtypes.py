"""Arrays of every NumPy dtype, alone and inside values, against the published package.

`tools/golden/record_dtypes.py` describes the record, which this replays without that package.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from dtype_cases import DTYPES, PLACES, RECORD, cases, describe, digest
from malformed_buffers import described, holding, leaf, npy, record

from seamless import Buffer
from seamless.errors import BufferFormatError

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.skipif(
    np.finfo(np.longdouble).nmant != 63,
    reason="the record has the extended precision numbers of x86",
)
ROWS = dict(line.split("\t") for line in RECORD.read_text(encoding="utf8").splitlines())
#: stored here although the published package refuses it; it is read as written
STORED_HERE_ONLY = {
    ("int64 as longlong", "item"),
    ("int64 as longlong", "item inside"),
    *((name, place) for name in ("only empty text", "only a subarray of nothing")
      for place in ("dict", "list", "item inside")),
}  # fmt: skip
#: field names that the published package decodes as Latin-1 from a `.npy` header
READ_BETTER_HERE = ("other names", b"\x93NUMPY\x03")


@pytest.fixture(autouse=True)
def _what_is_not_stored_may_be_told() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "only the first item of a unicode array")
        warnings.filterwarnings("ignore", "metadata on a dtype is not saved")
        yield


def outcomes(row: str) -> list[str]:
    found: list[str] = []
    for text in row.split(" "):
        found.append(found[-1] if text == "=" else text)
    return found


def differences(name: str, array: np.ndarray[Any, Any]) -> list[str]:
    """Return the differences between an array's results and the record."""
    dtype = name.split(": ", maxsplit=1)[0]
    expected = outcomes(ROWS[name])
    return [
        f"{name} as {celltype}, {place}: {problem}"
        for ((celltype, place), put), outcome in zip(PLACES.items(), expected, strict=True)
        if (problem := difference(dtype, celltype, place, put(array), outcome))
    ]


def difference(dtype: str, celltype: str, place: str, value: Any, outcome: str) -> str:
    try:
        content = Buffer(value, celltype).content
    except (TypeError, ValueError) as error:
        return "" if outcome == "-" else f"refused: {error}"
    if outcome == "-" and (dtype, place) not in STORED_HERE_ONLY:
        return "stored, which was refused"
    written, _, read = outcome.partition("/")
    if outcome != "-" and digest(content)[:12] != written:
        return "other bytes"
    try:
        again = Buffer(content).get_value(celltype)
    except (TypeError, ValueError) as error:
        # only the first item of a unicode array is stored, as text; bytes stay raw
        return "" if read == "!" and b"\x93NUMPY" not in content else f"unreadable: {error}"
    if read in {"", "!"} or (dtype, content[:7]) == READ_BETTER_HERE:
        restored = Buffer(again, celltype).content
        return "" if restored == content else "read as something else"
    return "" if digest(describe(again).encode())[:8] == read else "read as another value"


@pytest.mark.parametrize("dtype", DTYPES)
def test_an_array_has_the_recorded_bytes_and_value(dtype: str) -> None:
    found = [
        problem
        for name, array in cases()
        if name.startswith(f"{dtype}: ")
        for problem in differences(name, array)
    ]
    assert found == []


def test_the_record_has_exactly_the_arrays_of_the_cases() -> None:
    assert list(ROWS) == [name for name, _ in cases()]
    assert all(len(outcomes(row)) == len(PLACES) for row in ROWS.values())


# -- items without bytes --------------------------------------------------------------------


def test_an_empty_text_column_of_one_row_is_stored_as_that_of_many_rows() -> None:
    table = np.array([(b"", 1)], dtype=[("text", "S0"), ("number", "<i4")])

    buffer = Buffer(table["text"], "binary")

    assert b"'|S1'" in buffer.content
    assert buffer.get_value("binary").tolist() == [b""]


@pytest.mark.parametrize("layout", ["(3,)", "()", "(0,)", "(2,3) F"])
@pytest.mark.parametrize("dtype", ["no fields, aligned", "only empty text", "S0"])
def test_items_without_bytes_read_back_with_their_dtype_and_shape(dtype: str, layout: str) -> None:
    table = dict(cases_of("one field"))[layout].astype([("column", DTYPES[dtype])])
    array = table["column"]

    again = np.asarray(Buffer(array, "mixed").get_value("mixed"))

    assert (again.dtype, again.shape) == (array.dtype, array.shape)
    assert again.dtype.isalignedstruct == array.dtype.isalignedstruct


def cases_of(dtype: str) -> Iterator[tuple[str, np.ndarray[Any, Any]]]:
    for name, array in cases():
        if name.startswith(f"{dtype}: "):
            yield name.removeprefix(f"{dtype}: "), array


def test_an_array_of_items_without_bytes_is_refused_inside_a_container() -> None:
    column = np.zeros(3, [("text", "S0"), ("number", "<i4")])["text"]
    for array in (column, *(np.zeros(n, DTYPES["no fields, aligned"]) for n in (1, 2))):
        with pytest.raises(TypeError, match="can't be inside a mixed container"):
            Buffer({"a": array}, "mixed")


HUGE = 2**62
ENDLESS = {
    "empty texts": holding(leaf(items={"type": "string", "bytesize": 0}, shape=[HUGE]), [0, 0], 0),
    "structures of nothing": holding(
        leaf(
            items=record({"f": {"type": "string", "bytesize": 0}}, ["f"], 0),
            shape=[HUGE],
        ),
        [0, 0],
        0,
    ),
    "npy structures of nothing": npy(described("[('f', '|S0')]", f"({HUGE},)")),
}


@pytest.mark.parametrize("name", ENDLESS)
def test_the_number_of_items_without_bytes_is_limited(name: str) -> None:
    with pytest.raises(BufferFormatError, match="no bytes"):
        Buffer(ENDLESS[name]).get_value("mixed")
