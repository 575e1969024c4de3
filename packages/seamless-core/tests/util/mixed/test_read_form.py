"""Arrays of the same kind are read together, with the same result."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from malformed_buffers import container, holding, leaf
from mixed_values import same

from seamless import Buffer
from seamless.errors import BufferFormatError
from seamless.util.mixed.read_form import read_form, read_head


def there_and_back(value: Any) -> Any:
    return Buffer(Buffer(value, "mixed").content).get_value("mixed")


DTYPES = ["?", "i1", "<i2", "<i4", "<i8", "u1", "<u2", "<u8", "<f2", "<f4", "<f8", "S3"]


def arrays(dtype: str, shape: tuple[int, ...], count: int = 40) -> list[Any]:
    size = int(np.prod(shape))
    return [(np.arange(size) + i).astype(dtype).reshape(shape) for i in range(count)]


@pytest.mark.parametrize("shape", [(), (1,), (3,), (0,), (2, 0), (2, 3), (1,) * 31, (1,) * 32])
@pytest.mark.parametrize("dtype", DTYPES)
def test_many_arrays_of_one_kind_are_read_as_written(dtype: str, shape: tuple[int, ...]) -> None:
    value = arrays(dtype, shape)
    assert same(value, there_and_back(value))
    named = {f"k{i}": array for i, array in enumerate(value)}
    assert same(named, there_and_back(named))


def test_structures_whose_names_are_no_unicode_text_are_told_apart() -> None:
    dtypes = [np.dtype([(name, "<i4")], align=True) for name in ("\ud800", "\ud801")]
    value = [np.arange(3, dtype="<i4").view(dtype) for dtype in dtypes * 10]
    assert same(value, there_and_back(value))


def test_arrays_of_more_kinds_than_numbers_are_read_as_written() -> None:
    value = {f"{dtype} {i}": a for dtype in DTYPES for i, a in enumerate(arrays(dtype, (2,), 5))}
    assert same(value, there_and_back(value))


def test_arrays_beside_other_values_are_read_as_written() -> None:
    row = {"a": np.arange(4), "b": [np.ones(3), None, "x"], "c": {}, "d": np.float32(2.5)}
    back = there_and_back({f"row {i}": row for i in range(50)})
    assert all(same({**row, "d": 2.5}, found) for found in back.values())


def test_arrays_with_strides_are_read_as_written() -> None:
    value = {f"k{i}": np.arange(12 + i)[::-2] for i in range(40)}
    assert same({key: array.copy() for key, array in value.items()}, there_and_back(value))


def test_arrays_read_together_share_no_memory() -> None:
    value = there_and_back(arrays("<i4", (5,)))
    value[0][:] = -1
    assert all(array.flags.owndata and array.flags.writeable for array in value)
    assert value[1].tolist() == [1, 2, 3, 4, 5]


def test_keys_that_look_like_forms_and_numbers_are_read_as_written() -> None:
    value: dict[str, Any] = {f"k{i}": np.arange(3) for i in range(40)}
    value |= dict.fromkeys(map(str, range(10**12, 10**12 + 30)), 1)
    value['{"type": "array", "items": {"type": "integer", "bytesize": 8}}'] = "10000000000000"
    assert same(value, there_and_back(value))


def test_fewer_arrays_in_the_data_than_in_the_form_are_refused() -> None:
    content = Buffer({f"k{i:02}": np.arange(3) for i in range(40)}, "mixed").content
    damaged = content.replace(b"[0, 24, 48,", b"[0, 20, 48,")
    assert damaged != content
    with pytest.raises(BufferFormatError, match="takes 24 bytes and has 20"):
        Buffer(damaged).get_value("mixed")


def test_a_number_in_place_of_a_form_is_not_an_array() -> None:
    value = {**{f"k{i:02}": np.arange(3) for i in range(40)}, "n": "text"}
    content = Buffer(value, "mixed").content
    damaged = content.replace(b'"n": "string"', b'"n": 10000000')
    assert damaged != content
    assert Buffer(damaged).get_value("mixed")["n"] == "text"


@pytest.mark.parametrize(
    ("form", "value"),
    [
        ({"type": "object", "properties": {}}, {}),
        ({"type": "array", "items": [], "identical": False, "shape": [0]}, []),
    ],
)
def test_a_container_without_entries_is_read(form: Any, value: Any) -> None:
    assert Buffer(container(form, [[0], value])).get_value("mixed") == value


@pytest.mark.parametrize("taken", [0, 9, 10])
def test_forms_are_numbered_by_digits_that_the_text_lacks(taken: int) -> None:
    """The text of many equal forms is read in a fraction of the time."""
    value: dict[str, Any] = {f"k{i:02}": np.arange(3) for i in range(40)}
    value |= dict.fromkeys(map(str, range(10**12, 10**12 + taken)), 1)
    content = Buffer(value, "mixed").content
    _, specs = read_form(read_head(memoryview(content))[1])
    assert [number // 10 for number in specs] == ([10**12 + taken] if taken < 10 else [])


@pytest.mark.parametrize("size", [0, 2**31 - 1])
def test_an_array_without_items_may_have_items_of_any_size(size: int) -> None:
    form = leaf(items={"type": "string", "bytesize": size}, shape=[0])
    assert Buffer(holding(form, [0, 0], 0)).get_value("mixed")["a"].shape == (0,)
