"""The cell type plain, and what every JSON cell type refuses or converts."""

from __future__ import annotations

import json
from collections import Counter, OrderedDict, defaultdict
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given
from mixed_values import json_values
from python_runs import run_python

from seamless import Buffer, Checksum
from seamless.checksum.json_ import json_dumps_bytes

DIGEST = "ab" * 32


class Pair(NamedTuple):
    """A tuple that JSON libraries treat differently."""

    x: Checksum
    y: int


def content(value: Any, celltype: str) -> bytes:
    return Buffer(value, celltype).content


def read(data: bytes, celltype: str) -> Any:
    return Buffer(data).get_value(celltype)


# -- plain and the canonical JSON ---------------------------------------------------------


@given(json_values)
def test_plain_reads_what_it_writes(value: Any) -> None:
    try:
        data = content(value, "plain")
    except TypeError:
        return  # an integer beyond 64 bits
    assert read(data, "plain") == json.loads(json.dumps(value))
    assert data.endswith(b"\n")


def test_plain_has_two_spaces_sorted_keys_and_one_newline() -> None:
    assert content({"b": 1, "a": (True, None)}, "plain") == (
        b'{\n  "a": [\n    true,\n    null\n  ],\n  "b": 1\n}\n'
    )


def test_checksums_and_named_tuples_inside_plain_become_json() -> None:
    value = {"k": Pair(Checksum(DIGEST), 2)}
    assert read(content(value, "plain"), "plain") == {"k": [DIGEST, 2]}


def test_large_floats_have_a_plus_sign_in_their_exponent() -> None:
    assert json_dumps_bytes([1e16, 1e-7, 1e-5]) == b"[\n  1e+16,\n  1e-7,\n  0.00001\n]"


@pytest.mark.parametrize(
    "use",
    [
        "seamless.Buffer({}, 'plain')",
        "seamless.Buffer(1.5, 'float')",
        "importlib.import_module('seamless.checksum.json_').json_dumps_bytes({})",
    ],
)
def test_a_json_writer_of_another_form_is_refused(use: str) -> None:
    code = f"""
        import importlib, orjson, seamless
        # releases before 3.11.7 write so; none of them can be installed beside the current one
        real = orjson.dumps
        orjson.dumps = lambda *args, **options: real(*args, **options).replace(b"e+", b"e")
        for _ in range(2):
            try:
                {use}
            except RuntimeError as error:
                print("install orjson 3.11.7 or newer" in str(error))
    """
    assert run_python(code).stdout == "True\nTrue\n"


@pytest.mark.parametrize("value", [{1: 2}, {1, 2}, 2**64, np.int64(1), object(), b"x"])
def test_plain_refuses_what_json_lacks(value: Any) -> None:
    with pytest.raises(TypeError):
        Buffer(value, "plain")


def endless() -> Any:
    value: list[Any] = []
    value.append(value)
    return value


def deep() -> Any:
    value: Any = []
    for _ in range(100_000):
        value = [value]
    return value


@pytest.mark.parametrize("celltype", ["plain", "mixed", "checksum", "deepcell"])
@pytest.mark.parametrize("value", [endless(), {"a": endless()}, deep()], ids=range(3))
def test_a_value_that_contains_itself_is_refused(value: Any, celltype: str) -> None:
    with pytest.raises((TypeError, ValueError)):
        Buffer(value, celltype)


@pytest.mark.parametrize("celltype", ["text", "str", "bytes", "yaml"])
def test_a_value_too_deep_for_str_is_refused(celltype: str) -> None:
    with pytest.raises(ValueError, match="nested too deeply"):
        Buffer(deep(), celltype)


# -- subclasses ---------------------------------------------------------------------------


class Shown(dict[str, Any]):
    """A dict whose methods return other entries than it stores."""

    def items(self) -> Any:
        return [("shown", 1)]

    def __iter__(self) -> Any:
        return iter(["iterated"])


class Rows(list[Any]):
    """A list whose methods return other items than it stores."""

    def __iter__(self) -> Any:
        return iter([7, 8])


class Word(str):
    """A text whose `str` is another text."""

    def __str__(self) -> str:
        return "other"


class Count(int):
    """A number whose `str` is another number."""

    def __repr__(self) -> str:
        return "99"

    def __int__(self) -> int:
        return 98


@pytest.mark.parametrize("celltype", ["plain", "mixed", "deepcell"])
@pytest.mark.parametrize(
    ("value", "same"),
    [
        (Shown(stored=0), {"shown": 1}),
        (Rows([1, 2]), [7, 8]),
        ([Shown(stored=Rows()), (Rows([1]),)], [{"shown": 1}, [[7, 8]]]),
        ([Word("stored"), Count(5)], ["stored", 5]),
        ({"a": [Shown(stored=0)] * 3000}, {"a": [{"shown": 1}] * 3000}),
    ],
)
def test_subclasses_of_containers_are_written_by_their_own_methods(
    value: Any, same: Any, celltype: str
) -> None:
    assert Buffer(value, celltype) == Buffer(same, celltype)


class Table(dict[str, Any]):
    """A dict whose methods return the entries that it stores."""


class Row(list[Any]):
    """A list whose methods return the items that it stores."""


@pytest.mark.parametrize(
    ("value", "same"),
    [
        (OrderedDict(b=1, a=2), {"a": 2, "b": 1}),
        (defaultdict(list, a=[1]), {"a": [1]}),
        (Counter("aab"), {"a": 2, "b": 1}),
        (Table(a=Row([1, Table()])), {"a": [1, {}]}),
        (Pair(Checksum(DIGEST), 2), [DIGEST, 2]),
        ((Row(), Row([()])), [[], [[]]]),
    ],
)
def test_subclasses_without_own_methods_are_written_as_dicts_and_lists(
    value: Any, same: Any
) -> None:
    for nested, expected in ((value, same), ([value], [same]), ({"k": value}, {"k": same})):
        assert Buffer(nested, "plain") == Buffer(expected, "plain")


def test_a_dict_subclass_with_arrays_is_written_by_its_own_methods() -> None:
    array = np.arange(3)
    assert Buffer([Shown(stored=0), array], "mixed") == Buffer([{"shown": 1}, array], "mixed")


def test_the_masked_constant_is_stored_as_its_text() -> None:
    assert Buffer(np.ma.masked, "bytes").content == b"--"
