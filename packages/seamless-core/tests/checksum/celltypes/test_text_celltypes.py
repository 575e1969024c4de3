"""The cell types text, python, ipython, yaml and str: what they store, read and refuse."""

from __future__ import annotations

import itertools
import threading
import warnings
from typing import Any

import pytest
from hypothesis import given
from mixed_values import text
from threads_at_once import run_at_once

from seamless import Buffer


def content(value: Any, celltype: str) -> bytes:
    return Buffer(value, celltype).content


def read(data: bytes, celltype: str) -> Any:
    return Buffer(data).get_value(celltype)


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
