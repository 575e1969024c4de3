"""Refused values and buffers: the message names the part that is refused."""

from __future__ import annotations

import pickle
import re
import traceback
from typing import Any

import numpy as np
import pytest
from malformed_buffers import container, leaf

from seamless import Buffer, Checksum
from seamless.checksum.json_ import json_dumps_bytes
from seamless.errors import (
    BufferFormatError,
    NotTextError,
    RefusedTypeError,
    RefusedValueError,
    SeamlessError,
)

DIGEST = "ab" * 32
UNSIGNED = np.zeros(2, np.dtype([("a", "<u2", (2,))], align=True))
ENDLESS: list[Any] = [1]
ENDLESS.append({"a": ENDLESS})


@pytest.mark.parametrize(
    ("celltype", "value", "message"),
    [
        ("plain", {1: 2}, "value: the key 1 is not a string"),
        ("plain", {"runs": [0, 1, 2, {1: 2}]}, "value['runs'][3]: the key 1 is not a string"),
        ("plain", {"a": {"b": {1, 2}}}, "value['a']['b']: Type is not JSON serializable: set"),
        ("plain", [0] * 5000 + [2**70], "value[5000]: Integer exceeds 64-bit range"),
        ("plain", {str(n): n for n in range(5000)} | {"x": 1j}, "value['x']: Type is not JSON"),
        ("plain", ([Checksum(DIGEST), {Checksum(DIGEST): 1}],), "value[0][1]: the key 'abab"),
        ("plain", {"a": "\ud800"}, "value['a']: str is not valid UTF-8"),
        ("plain", {"\ud800": 1}, r"value: the key '\ud800' is refused: str is not valid UTF-8"),
        ("plain", {"a": np.float64(1)}, "value['a']: Type is not JSON serializable: numpy.fl"),
        ("plain", {"a": [np.zeros(2)]}, "value['a'][0]: Type is not JSON serializable: numpy.nd"),
        ("checksum", ENDLESS, "value[1]['a']: the value contains itself"),
        ("deepcell", {"a": {None: DIGEST}}, "value['a']: the key None is not a string"),
        ("checksum", {"a": [Checksum(DIGEST)]}, "value['a'][0]: Type is not JSON"),
        ("checksum", {"a": {3: DIGEST}}, "value['a']: the key 3 is not a string"),
        ("mixed", {"runs": [0, {(1, 2): 2}]}, "value['runs'][1]: the key (1, 2) is refused"),
        ("mixed", {"a": [{1: 2, "b": 3}]}, "value['a'][0]: keys of the types int, str can't be"),
        ("mixed", {"a": [np.zeros(2), 1j]}, "value['a'][1]: a mixed value can't hold complex"),
        ("mixed", [np.zeros(2), {"b": UNSIGNED}], "value[1]['b']: an array of dtype"),
        ("mixed", [[np.array(["ab"])]], "value[0][0]: an array of dtype <U2 can't be inside"),
        ("mixed", {"a": {"x": {1, 2}}}, "value['a']['x']: a mixed value can't hold set"),
        ("mixed", [0] * 5000 + [np.zeros(2, complex)], "value[5000]: an array of dtype"),
        ("mixed", [0, [{1: np.zeros(2), True + 1: 1, 10: UNSIGNED}]], "value[1][0][10]: an arr"),
        ("mixed", [0, {9: np.zeros(2), 10: np.zeros(2)}], "value[1]: the keys 9, 10 sort"),
    ],
)  # fmt: skip
def test_a_part_that_is_refused_is_named(celltype: str, value: Any, message: str) -> None:
    with pytest.raises((TypeError, ValueError)) as caught:
        Buffer(value, celltype)

    assert str(caught.value).startswith(message)
    assert isinstance(caught.value, SeamlessError)


def test_the_error_keeps_its_class_and_names_cell_type_path_and_reason() -> None:
    with pytest.raises(TypeError) as caught:
        Buffer({"runs": [{1: 2}]}, "plain")

    error = caught.value
    assert isinstance(error, RefusedTypeError)
    assert (error.celltype, error.path, error.reason) == (
        "plain", "value['runs'][0]", "the key 1 is not a string",
    )  # fmt: skip
    assert str(pickle.loads(pickle.dumps(error))) == str(error)
    assert str(RefusedValueError("plain", "value[0]", "too large")) == "value[0]: too large"


def test_a_value_without_parts_is_refused_with_the_reason_alone() -> None:
    with pytest.raises(TypeError, match=r"^Type is not JSON serializable: set$"):
        Buffer({1}, "plain")


@pytest.mark.parametrize(
    ("value", "advice"),
    [
        (np.float64(1), "store its item(), or store the whole value as mixed"),
        (np.int64(1), "store its item(), or store the whole value as mixed"),
        (np.bool_(True), "store its item()"),
        (np.complex128(1), "store its real and its imag"),
        (np.zeros(2), "store its tolist(), or store the whole value as mixed"),
    ],
)
def test_a_numpy_value_in_plain_is_one_error_that_says_what_to_store(
    value: Any, advice: str
) -> None:
    with pytest.raises(TypeError) as caught:
        Buffer(value, "plain")

    assert str(caught.value).endswith(f"; {advice}")
    assert "".join(traceback.format_exception(caught.value)).count("Traceback") == 1


def test_canonical_json_refuses_a_value_with_one_error() -> None:
    with pytest.raises(TypeError, match="float64") as caught:
        json_dumps_bytes([np.float64(1)])
    assert "".join(traceback.format_exception(caught.value)).count("Traceback") == 1


def test_a_numpy_text_with_surrogates_is_a_value_error() -> None:
    for celltype in ("text", "str", "plain"):
        with pytest.raises((TypeError, ValueError), match=r"surrogates not allowed|not JSON"):
            Buffer(np.str_("\ud800"), celltype)


def test_a_long_key_is_truncated_in_the_message() -> None:
    with pytest.raises(TypeError) as caught:
        Buffer({"k" * 10_000: {1: 2}}, "plain")
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("levels", [255, 300, 600])
def test_a_value_nested_too_deeply_is_refused_without_a_path(levels: int) -> None:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    for celltype in ("plain", "checksum"):
        with pytest.raises((TypeError, ValueError), match=r"^(Recursion limit|the value is nes)"):
            Buffer(value, celltype)


def test_a_value_of_a_cell_type_without_parts_is_refused_with_the_reason_alone() -> None:
    with pytest.raises(ValueError, match=r"^invalid literal for int"):
        Buffer("a", "int")


# -- reading ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "place"),
    [
        (f'{{"a": ["{DIGEST}", 5]}}'.encode(), r"value\['a'\]\[1\] is not a checksum$"),
        (f'["{DIGEST}", {{"b": "{DIGEST}0"}}]'.encode(), r"value\[1\]\['b'\] is not a checksum$"),
        (b"null", r"value is not a checksum$"),
        (b'["ab"', "line 1 column"),
    ],
)
def test_an_entry_that_is_not_a_checksum_is_named(content: bytes, place: str) -> None:
    with pytest.raises(TypeError, match=place):
        Buffer(content).get_value("checksum")


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_a_number_stored_as_null_is_explained(number: float) -> None:
    buffer = Buffer(number, "float")

    with pytest.raises(TypeError, match=r"holds null.* NaN or infinite.* as mixed"):
        buffer.get_value("float")
    assert repr(Buffer(number, "mixed").get_value("mixed")) == repr(number)


@pytest.mark.parametrize(
    ("content", "celltype", "message"),
    [
        (b"null\n", "int", "the buffer holds null, not int"),
        (b"[1]\n", "int", "the buffer holds a list, not int; read it as plain"),
        (b"{}\n", "float", "the buffer holds a dict, not float; read it as plain"),
        (b'"ab"\n', "int", "the buffer holds a text, not int .*; read it as str"),
    ],
)
def test_a_value_that_is_not_a_number_is_named(content: bytes, celltype: str, message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=f"^{message}$"):
        Buffer(content).get_value(celltype)


MIXED = Buffer({"b": 1, "a": [{"x": 2}, {"y": np.zeros(2)}]}, "mixed")
ARRAY = Buffer(np.zeros(2), "binary")


@pytest.mark.parametrize("target", ["plain", "text", "yaml", "python", "ipython"])
def test_arrays_are_not_text_and_the_first_one_is_named(target: str) -> None:
    where = "an array at value['a'][1]['y'], not text; read it as mixed"
    for attempt in (
        lambda: MIXED.get_value(target),
        lambda: MIXED.convert("mixed", target),
        lambda: MIXED.get_checksum().convert("mixed", target),
    ):
        with pytest.raises(ValueError, match=re.escape(where)) as caught:
            attempt()
        assert "".join(traceback.format_exception(caught.value)).count("Traceback") == 1


@pytest.mark.parametrize("celltype", ["plain", "text", "str", "int", "deepcell", "yaml"])
def test_a_single_array_is_not_text(celltype: str) -> None:
    with pytest.raises(UnicodeDecodeError, match=r"^the buffer holds a NumPy array.*as binary"):
        ARRAY.get_value(celltype)


@pytest.mark.parametrize("celltype", ["plain", "text", "mixed", "binary"])
@pytest.mark.parametrize("length", [10, 200_000])
def test_bytes_that_are_not_text_are_named(celltype: str, length: int) -> None:
    content = b"a" * length + b"\xff"
    with pytest.raises(NotTextError) as caught:
        Buffer(content).get_value(celltype)

    error = caught.value
    assert str(error) == (
        f"the buffer is not UTF-8 text: byte 0xff at position {length} can't be decoded; "
        "read it as bytes"
    )
    assert (error.start, error.object) == (length, content)
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


def test_a_damaged_container_is_not_text() -> None:
    with pytest.raises(NotTextError, match="array somewhere"):
        Buffer(MIXED.content[:20]).get_value("plain")


def test_a_damaged_array_in_a_container_is_named() -> None:
    inner = {
        "type": "array", "items": [leaf(), leaf(shape=[9])], "identical": False, "shape": [2],
        "storage": "mixed-plain",
    }  # fmt: skip
    form = {"type": "object", "properties": {"a": inner}}
    content = container(form, [[0, 8, 16], {"a": [0, 0]}], bytes(16))

    with pytest.raises(BufferFormatError, match=r"^value\['a'\]\[1\]: an array .* takes 36 bytes"):
        Buffer(content).get_value("mixed")


@pytest.mark.parametrize("text", ["xyz", "", "ab" * 31, "ab" * 33, "é" * 64])
def test_the_error_for_a_text_describes_a_checksum(text: str) -> None:
    with pytest.raises(ValueError, match=r"^a checksum is 64 hexadecimal digits: .*fromhex"):
        Checksum(text)


def test_the_error_shows_a_short_text_and_counts_its_digits() -> None:
    with pytest.raises(ValueError, match=r"fromhex\(\) found 3 in 'abc'$"):
        Checksum("abc")
    with pytest.raises(ValueError, match=r"fromhex\(\) arg at position 2 in 'data.csv'$"):
        Checksum("data.csv")
    with pytest.raises(ValueError, match=r"zzz\.\.\.'$") as caught:
        Checksum("z" * 1_000_000)
    assert len(str(caught.value)) < 250
