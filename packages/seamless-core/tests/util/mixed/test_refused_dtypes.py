"""Arrays that no cell type holds: the result of the call that the error names is stored."""

from __future__ import annotations

import io
import re
import warnings
from typing import Any

import numpy as np
import pytest
from dtype_cases import DTYPES

from seamless import Buffer
from seamless.errors import RefusedTypeError


def refusal(value: Any, celltype: str) -> str | None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            Buffer(value, celltype)
        except TypeError as error:
            return str(error)
    return None


def advised(message: str, array: Any) -> tuple[Any, str]:
    """Return the value and cell type that a message advises to store."""
    found = re.search(r"; store (.*) as (binary|bytes|mixed|plain)", message.partition("; the ")[0])
    assert found, message
    return eval(found[1].split(" as ")[0], {"array": array, "numpy": np}), found[2]


REFUSED = [name for name, dtype in DTYPES.items() if refusal(np.zeros(3, dtype), "binary")]


@pytest.mark.parametrize("name", [name for name in REFUSED if name != "no fields"])
def test_the_call_in_the_error_returns_a_value_that_can_be_stored(name: str) -> None:
    array = np.zeros(3, DTYPES[name])
    for celltype in ("binary", "mixed"):
        message = refusal(array, celltype)
        assert message
        value, target = advised(message, array)
        assert refusal(value, target) is None


@pytest.mark.parametrize(
    ("array", "call"),
    [
        (np.zeros(2, ">f4"), "array.astype(array.dtype.newbyteorder('='))"),
        (np.zeros(2, "c8"), "{'real': array.real, 'imag': array.imag} as mixed"),
        (np.zeros(2, "M8[s]"), "array.view('int64')"),
        (np.zeros(2, "m8[s]"), "array.view('int64')"),
        (np.array([None]), "array.tolist()"),
        (np.zeros(2, [("a", "i1"), ("b", "<f8")]), "array.astype(numpy.dtype([('a', 'i1'), "),
        (np.zeros(2, [("a", "<i4"), ("b", "<i4")]), "array.view(numpy.dtype([('a', '<i4'), "),
        (np.zeros(2, np.dtype([("a", "c8")], align=True)), "{'real': array['a'].real"),
    ],
)
def test_binary_has_its_own_message_for_an_array(array: np.ndarray[Any, Any], call: str) -> None:
    message = refusal(array, "binary")

    assert message
    assert call in message
    assert "mixed value" not in message


def test_the_align_argument_is_named_for_a_packed_structure() -> None:
    message = refusal(np.zeros(2, [("a", "i1"), ("b", "<f8")]), "binary")
    assert message
    assert "align=True" in message


@pytest.mark.parametrize("code", ["<c8", "<c16", "<M8[s]", "<M8[D]", "<m8[ns]", ">f4", ">c16"])
@pytest.mark.parametrize("shape", [(), (3,), (2, 3)])
def test_the_bytes_of_numpy_save_keep_a_dtype_that_is_refused(
    code: str, shape: tuple[int, ...]
) -> None:
    array = np.arange(np.prod(shape, dtype=int)).astype(code).reshape(shape)
    file = io.BytesIO()
    np.save(file, array)

    buffer = Buffer(file.getvalue(), "binary")

    again = buffer.get_value("binary")
    assert buffer.content == file.getvalue()
    assert again.shape == array.shape
    # an array without dimensions is read as a scalar, which has native byte order
    assert again.dtype == (array.dtype if shape else array.dtype.newbyteorder("="))
    assert np.array_equal(again, array)


@pytest.mark.parametrize(
    ("scalar", "call"),
    [
        (np.bool_(True), "bool(value)"),
        (np.complex64(1), "value.real and value.imag"),
        (1j, "value.real and value.imag"),
        (np.datetime64("2020-01-01"), "str(value)"),
        (np.timedelta64(3, "s"), "value.astype('int64')"),
        (np.void(b"ab"), "value.tobytes()"),
    ],
)
def test_the_error_for_a_scalar_says_how_to_store_it(scalar: Any, call: str) -> None:
    with pytest.raises(RefusedTypeError) as caught:
        Buffer({"a": [0, scalar]}, "mixed")

    assert str(caught.value).startswith("value['a'][1]: ")
    assert call in str(caught.value)
