"""JSON in mixed buffers has exactly the bytes of Python's `json`."""

from __future__ import annotations

import collections
import enum
import json
import math
import uuid
from typing import Any, NamedTuple

import numpy as np
import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from python_runs import run_python

from seamless import Buffer
from seamless.util.mixed import write_json


def by_python(value: Any) -> bytes:
    return json.dumps(value, indent=2, sort_keys=True).encode() + b"\n"


def written(value: Any) -> bytes:
    return Buffer(value, "mixed").content


# -- the same as Python's -----------------------------------------------------------------

HARD_NUMBERS = st.sampled_from([
    0.0, -0.0, 1e16, 1e15, 1e22, 1e23, 5e-324, 1e-4, 1e-5, 9.9e-5, 1e-6, 1e-9, 1e-10, 10.00001,
    1.7976931348623157e308, 2.0**-44, 2.0**63, 9007199254740993.0, 100000.0, 0.00012,
    2**53, 2**63, 2**64 - 1, 2**64, -(2**63), -(2**63) - 1, 10**40,
])  # fmt: skip
HARD_TEXTS = st.sampled_from([
    "0.00001", "e-5", "1e-7,", "null", "NaN", '"', "\\", "\\x41", "\\u0041", "\n", "a\tb", "",
    "\x00\x1f", "é", "ÿĀ", "\uffff", "\U00010000", "\U0001f600\\x", "\U0001f600é", "\ud800",
    "\u2028", "\x7f",
])  # fmt: skip
TEXTS = st.text(st.characters(), max_size=8) | HARD_TEXTS
SMALL_NUMBERS = st.builds(math.ldexp, st.floats(1, 2), st.integers(-40, -10))
SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats() | SMALL_NUMBERS | HARD_NUMBERS | TEXTS
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(TEXTS, inner, max_size=5)
        | st.dictionaries(st.integers() | st.floats(allow_nan=False), inner, max_size=2)
    ),
    max_leaves=20,
)


def test_the_installed_orjson_is_used() -> None:
    # with another one, or after a fault in this module, everything is written by Python
    assert write_json._orjson_is_trusted()


@given(VALUES)
@example([float("nan"), None])
@example([math.inf, math.nan, math.nan, -math.inf])
@example({"a": {"b": [[], {}, [{}]]}, "A": (), "": ((),)})
def test_a_json_value_is_written_as_python_does(value: Any) -> None:
    assert written(value) == by_python(value)


@given(st.lists(st.floats(), max_size=50))
def test_every_float_is_written_as_python_does(values: list[float]) -> None:
    assert written(values) == by_python(values)


@given(st.lists(TEXTS, max_size=20))
def test_every_text_is_written_as_python_does(values: list[str]) -> None:
    assert written(values) == by_python(values)


@pytest.mark.parametrize("exponent", range(-30, 30))
def test_numbers_of_every_size_are_written_as_python_does(exponent: int) -> None:
    values = [float(f"{digits}e{exponent}") for digits in ("1", "-1", "1.5", "9.999999999999999")]
    assert written([values, *values, {"x": values[0]}]) == by_python(
        [values, *values, {"x": values[0]}]
    )


def test_a_lone_small_number_is_written_as_python_does() -> None:
    assert [written(value) for value in (1e-5, -1.25e-5, 1e-7)] == [
        b"1e-05\n",
        b"-1.25e-05\n",
        b"1e-07\n",
    ]


def test_numbers_and_texts_are_normalised_anywhere_in_large_content() -> None:
    value = [[i * 1e-9, f"é {i} 0.00001", "\U0001f600"[: i % 2]] for i in range(40_000)]
    assert len(by_python(value)) > 2**20
    assert written(value) == by_python(value)


def test_null_beside_numbers_that_look_like_nan_is_written_as_python_does() -> None:
    number = float.fromhex("0x1.0000000000067p+0")  # a search in its binary form finds an infinity
    value = [None, *[number, -1, 2.5, -65536] * 1000]
    assert written(value) == by_python(value)


def test_only_values_that_may_have_a_nan_are_searched_in_python(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(write_json, "_has_non_finite", lambda _value: pytest.fail("searched"))
    value = {"a": None, "b": [0.1, 2, -0.0, "null", {"c": (None, 1e308, -1)}]}
    assert written(value) == by_python(value)


def test_shared_and_separate_infinities_are_written_as_python_does() -> None:
    shared = math.inf
    value = [None, shared, shared, float("inf"), float("-inf"), float("nan")]
    assert written(value) == by_python(value)


# -- values that only Python's json writes ---------------------------------------------------


class Word(str):
    """A subclass of str."""


class Count(int):
    """A subclass of a number."""


class Share(float):
    """A subclass of a number."""


class Pair(NamedTuple):
    """A subclass of tuple."""

    left: int
    right: int


class Level(enum.IntEnum):
    """A number whose `str` and `repr` are another text."""

    HIGH = 3


class Kind(str, enum.Enum):
    """Text whose `str` is another text."""

    ONE = "one"


class Odd(str, enum.Enum):
    """An enum whose value differs from its text."""

    def __new__(cls, text: str) -> Odd:
        odd = str.__new__(cls, text)
        odd._value_ = text.upper()
        return odd

    ONE = "one"


@pytest.mark.parametrize(
    "value",
    [
        Word("a"), {Word("b"): 1, "a": 2}, Count(3), Share(0.5), Pair(1, 2), Level.HIGH, Kind.ONE,
        Odd.ONE, {Odd.ONE: Odd.ONE}, collections.OrderedDict(b=1, a=2),
        collections.defaultdict(list, b=[1]), {1: 2, 0: 3}, {None: 1}, {True: 1}, {1.5: 1},
    ],
    ids=repr,
)  # fmt: skip
def test_subclasses_and_other_keys_are_written_as_python_does(value: Any) -> None:
    for nested in (value, [value], {"a": value, "b": None}):
        assert written(nested) == by_python(nested)


def test_numpy_numbers_are_written_as_the_numbers_of_python() -> None:
    value = [
        np.float64(1e-5),
        np.float32(0.5),
        np.int8(-3),
        np.uint64(2**64 - 1),
        np.float64("nan"),
    ]
    assert written(value) == by_python([1e-5, 0.5, -3, 2**64 - 1, math.nan])


class Plain(enum.Enum):
    """A value that is neither text nor a number."""

    ONE = "one"


@pytest.mark.parametrize(
    "value",
    [Plain.ONE, uuid.UUID(int=1), orjson.Fragment(b"1"), {1, 2}, 1j, object()],
    ids=lambda value: type(value).__name__,
)
def test_a_value_that_python_does_not_write_as_json_is_refused(value: Any) -> None:
    for nested in (value, [value], {"a": [1, value]}):
        with pytest.raises(TypeError):
            Buffer(nested, "mixed")


def test_values_nested_deeper_than_orjson_allows_are_written() -> None:
    value: Any = 1
    for _ in range(280):
        value = [value]
    assert written(value) == by_python(value)


# -- long values -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "last", [1e-7, "é", math.nan, Level.HIGH, 2**70, np.float64(0.5)], ids=repr
)
def test_the_last_entry_of_a_long_list_is_written_as_python_does(last: Any) -> None:
    value = [*range(5000), last]
    assert written(value) == by_python(value)


def test_an_array_at_the_end_of_a_long_list_makes_it_a_container() -> None:
    value = [*range(5000), np.arange(3)]
    assert Buffer(written(value)).get_value("mixed")[-1].tolist() == [0, 1, 2]


def test_a_long_dict_with_other_keys_is_written_as_python_does() -> None:
    value = dict.fromkeys(range(5000), "x")
    assert written(value) == by_python(value)


# -- another orjson ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "dumps",
    [
        "lambda *words: dumps(*words).replace(b'e+', b'e')",
        "lambda value, *words: dumps([] if 1e16 in value else value, *words)",
        "lambda *_: json_error()",
    ],
    ids=["other numbers", "other values", "refusals"],
)
def test_an_orjson_that_writes_other_bytes_is_not_used(dumps: str) -> None:
    run_python(
        "import json, orjson\n"
        "def json_error(): raise orjson.JSONEncodeError('not today')\n"
        "dumps = orjson.dumps\n"
        f"orjson.dumps = {dumps}\n"
        "from seamless import Buffer\n"
        "value = [1e16, {'b': 1.5e300, 'a': None}]\n"
        "expected = json.dumps(value, indent=2, sort_keys=True).encode() + b'\\n'\n"
        "assert Buffer(value, 'mixed').content == expected\n"
    )
