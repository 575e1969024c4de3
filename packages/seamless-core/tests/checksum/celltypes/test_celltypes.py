"""The cell types: which values each accepts, how it stores them, and what it refuses."""

from __future__ import annotations

import itertools
import json
import threading
import warnings
from collections import Counter, OrderedDict, defaultdict
from typing import Any, NamedTuple, get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mixed_values import json_values, text
from threads_at_once import run_at_once

from seamless import Buffer, Checksum, LossyValueWarning
from seamless.checksum.celltypes import (
    PLAIN_ALIASES,
    BufferType,
    CellType,
    TextType,
    celltypes,
    codec_of,
    storage_celltype,
)
from seamless.checksum.conversion.upstream_sets import UPSTREAM_CELLTYPES
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


# -- the table ----------------------------------------------------------------------------


def test_the_names_are_a_list_that_begins_with_the_upstream_cell_types() -> None:
    assert isinstance(celltypes, list)
    assert set(celltypes[:13]) == UPSTREAM_CELLTYPES


@pytest.mark.parametrize("celltype", celltypes)
def test_every_name_has_a_codec(celltype: str) -> None:
    codec = codec_of(celltype)
    assert callable(codec.to_bytes)
    assert callable(codec.from_bytes)


@pytest.mark.parametrize("alias", PLAIN_ALIASES)
def test_an_alias_is_stored_and_read_as_plain(alias: str) -> None:
    value = {"b": DIGEST, "a": [DIGEST]}
    buffer = Buffer(value, alias)

    assert storage_celltype(alias) == "plain"
    assert buffer == Buffer(value, "plain")
    assert buffer.get_value(alias) == value


@pytest.mark.parametrize("name", ["", "Plain", "json", "deep"])
def test_an_unknown_name_is_a_type_error_that_lists_the_known_ones(name: str) -> None:
    with pytest.raises(TypeError, match="deepfolder"):
        Buffer({}, name)
    with pytest.raises(TypeError, match="deepfolder"):
        read(b"{}", name)


@pytest.mark.parametrize("celltype", celltypes)
def test_a_checksum_object_is_not_a_value_of_any_cell_type(celltype: str) -> None:
    with pytest.raises(TypeError, match="resolve it first"):
        Buffer(Checksum(DIGEST), celltype)


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


def test_a_json_writer_of_another_form_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    import orjson

    from seamless.checksum import json_

    # releases before 3.11.7 write so; none of them can be installed beside the current one
    real = orjson.dumps
    monkeypatch.setattr(
        orjson, "dumps", lambda *args, **options: real(*args, **options).replace(b"e+", b"e")
    )
    json_._writer.cache_clear()
    try:
        with pytest.raises(RuntimeError, match=r"install orjson 3\.11\.7 or newer"):
            json_dumps_bytes({})
    finally:
        json_._writer.cache_clear()


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


# -- text, code and yaml ------------------------------------------------------------------


@given(text)
def test_text_reads_what_it_writes_but_for_newlines_at_the_end(value: str) -> None:
    data = content(value, "text")
    assert read(data, "text") == value.rstrip("\n")
    assert data == value.rstrip("\n").encode() + b"\n"


@pytest.mark.parametrize("end", ["", "\n", "\n\n", "\n" * 9, "é", "é\n"])
@pytest.mark.parametrize("start", ["", "a", "ligne où\n" * 20_000], ids=["empty", "short", "long"])
def test_the_newlines_at_the_end_of_text_are_one_when_stored_and_none_when_read(
    start: str, end: str
) -> None:
    value = start + end
    stored = value.rstrip("\n").encode() + b"\n"
    assert content(value, "text") == stored
    assert read(stored, "text") == read(value.encode(), "text") == value.rstrip("\n")


def test_long_bytes_that_are_not_utf8_are_refused_as_text() -> None:
    with pytest.raises(UnicodeDecodeError):
        read(b"line\n" * 30_000 + b"\xe9\n", "text")


@pytest.mark.parametrize("celltype", ["text", "python", "ipython", "yaml", "str"])
def test_bytes_that_are_not_utf8_are_refused_as_text(celltype: str) -> None:
    with pytest.raises(UnicodeDecodeError):
        read(b"\xff\n", celltype)


def test_python_is_checked_when_it_is_read() -> None:
    source = content("def f(:\n", "python")
    with pytest.raises(ValueError, match="no valid Python"):
        read(source, "python")
    assert read(source, "text") == "def f(:"


def test_dubious_but_valid_python_is_read_without_a_warning() -> None:
    assert read(b"x = 1 is 1\ny = '\\d'\n", "python").startswith("x = 1")


def test_dubious_python_is_valid_where_warnings_are_errors() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read(b"x = b'\\u' + '\\d'  # a text of this test only\n", "python").startswith(
            "x = b"
        )


def test_reading_python_in_threads_keeps_the_warning_filters_of_other_threads() -> None:
    before = list(warnings.filters)
    numbers = itertools.count()
    failures: list[object] = []
    stop = threading.Event()

    def set_filters_aside() -> None:
        """Replace and restore the warning filters, as other code may do at any time."""
        while not stop.is_set():
            with warnings.catch_warnings():
                warnings.simplefilter("error")
            failures.extend(entry for entry in warnings.filters[:2] if entry == IGNORES_ALL)

    def read_cells() -> None:
        try:
            for number in itertools.islice(numbers, 2000):
                read(f"x = '\\d{number}'\n".encode(), "python")
        except ValueError as error:
            failures.append(error)

    other = threading.Thread(target=set_filters_aside)
    other.start()
    try:
        run_at_once(read_cells, threads=4)
    finally:
        stop.set()
        other.join()

    assert failures == []
    assert list(warnings.filters) == before


IGNORES_ALL = ("ignore", None, Warning, None, 0)


def test_magics_are_valid_ipython_but_not_python() -> None:
    source = content("%matplotlib inline\n!ls", "ipython")
    assert read(source, "ipython").startswith("%matplotlib")
    with pytest.raises(ValueError, match="no valid Python"):
        read(source, "python")


def test_python_nested_beyond_the_parser_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="no valid Python"):
        read(b"(" * 50_000, "python")


@pytest.mark.parametrize(
    "source", ["a: 1", "- x\n- y", "", "a: &q [1]\nb: *q", '{"k": [1, "\x7f"]}']
)
def test_a_yaml_document_is_read_as_its_text(source: str) -> None:
    assert read(content(source, "yaml"), "yaml") == source


@pytest.mark.parametrize(
    "source", ["a: [", "!!python/object:os.system x", "a: 1\n---\nb: 2", "\tx: 1", "k: *nothing"]
)
def test_a_text_that_is_not_a_safe_yaml_document_is_a_value_error(source: str) -> None:
    with pytest.raises(ValueError, match="no valid YAML"):
        read(content(source, "yaml"), "yaml")


# -- scalars ------------------------------------------------------------------------------


@given(st.integers(-(2**63), 2**64 - 1))
def test_an_int_reads_what_it_writes(value: int) -> None:
    assert read(content(value, "int"), "int") == value


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_float_reads_exactly_what_it_writes(value: float) -> None:
    back = read(content(value, "float"), "float")
    assert (back, np.signbit(back)) == (value, np.signbit(value))


@given(text)
def test_a_str_reads_exactly_what_it_writes(value: str) -> None:
    assert read(content(value, "str"), "str") == value


@pytest.mark.parametrize(
    ("value", "celltype", "stored"),
    [
        ("12", "int", b"12\n"),
        (2.9, "int", b"2\n"),
        (b"1.5", "float", b"1.5\n"),
        (float("nan"), "float", b"null\n"),
        ("False", "bool", b"true\n"),
        ([], "bool", b"false\n"),
        (True, "str", b"true\n"),
        (None, "str", b'"None"\n'),
    ],
)
def test_scalars_are_converted_as_by_python(value: Any, celltype: str, stored: bytes) -> None:
    assert content(value, celltype) == stored


@pytest.mark.parametrize(("value", "celltype"), [("x", "int"), ("", "float"), ("1e5", "int")])
def test_a_text_that_is_not_a_number_is_a_value_error(value: str, celltype: str) -> None:
    with pytest.raises(ValueError, match=r"invalid literal|could not convert"):
        Buffer(value, celltype)


# -- bytes and checksum -------------------------------------------------------------------


@given(st.binary())
def test_bytes_are_stored_as_they_are(value: bytes) -> None:
    assert content(value, "bytes") == value
    assert content(value, "binary") == value


def test_reading_as_bytes_gives_the_buffer_itself() -> None:
    buffer = Buffer(b"abc")
    assert buffer.get_value("bytes") is buffer


def test_an_array_as_bytes_is_its_memory_in_c_order() -> None:
    array = np.arange(6, dtype="<i2").reshape(2, 3).T
    assert content(array, "bytes") == array.tobytes()


@pytest.mark.parametrize("axes", ["C", "F"])
def test_a_masked_array_as_bytes_has_the_fill_value_where_it_is_masked(axes: Any) -> None:
    mask = np.array([[False, True], [False, False]])
    array: Any = np.ma.array([[1, 2], [3, 4]], mask=mask, dtype="<i8", order=axes)
    with pytest.warns(LossyValueWarning, match="the mask of a value of type MaskedArray"):
        assert content(array, "bytes") == array.tobytes() != array.data.tobytes()


def test_the_types_for_type_checkers_name_every_cell_type() -> None:
    assert set(get_args(CellType)) == set(celltypes)
    assert set(get_args(BufferType)) == {*celltypes, *PLAIN_ALIASES}
    for celltype in get_args(TextType):
        assert type(Buffer("1", celltype).get_value(celltype)) is str


def test_pointers_are_never_stored_as_bytes() -> None:
    with pytest.raises(TypeError, match="pointers"):
        Buffer(np.array([2**70, "x"], object), "bytes")


@pytest.mark.parametrize("value", [DIGEST, [DIGEST], {"a": DIGEST, "b": [DIGEST]}, [], {}])
def test_the_checksum_cell_reads_what_it_writes(value: Any) -> None:
    assert read(content(value, "checksum"), "checksum") == value


@pytest.mark.parametrize("data", [b"5", b'"zz"', b"null", b'["short"]', b"\xff", b"", b"zz" * 32])
def test_content_without_checksums_is_a_type_error(data: bytes) -> None:
    with pytest.raises(TypeError, match="no checksum"):
        read(data, "checksum")
