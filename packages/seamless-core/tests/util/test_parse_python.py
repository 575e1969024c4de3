"""Parsing while other code of the process parses, which Python 3.11 and 3.12 report as an error."""

from __future__ import annotations

import ast
import gc
import io
import sys
from collections.abc import Iterator

import numpy as np
import pytest

from seamless import Buffer
from seamless.util.deep_call import call_in_thread
from seamless.util.parse_python import parse_python


@pytest.fixture
def other_parser() -> Iterator[None]:
    """Let the garbage collector, which Python 3.11 runs within the parser, parse as well."""
    parsed: list[str] = []

    def parse(phase: str, _info: dict[str, int]) -> None:
        interrupted = sys._getframe(1).f_code
        if phase == "start" and interrupted is ast.parse.__code__ and len(parsed) < 3:
            parsed.append(phase)
            call_in_thread(compile, "x = 1", "<other>", "exec", ast.PyCF_ONLY_AST)

    thresholds = gc.get_threshold()
    gc.callbacks.append(parse)
    gc.set_threshold(1, 1, 1)
    yield
    gc.set_threshold(*thresholds)
    gc.callbacks.remove(parse)


@pytest.mark.usefixtures("other_parser")
def test_source_is_parsed_while_other_code_parses() -> None:
    tree = parse_python("a = [1, (2, 3)]\n" * 20)
    assert ast.unparse(tree) == "\n".join(["a = [1, (2, 3)]"] * 20)


@pytest.mark.usefixtures("other_parser")
def test_a_python_cell_is_read_while_other_code_parses() -> None:
    source = "b = {1: [2, (3, 4)]}\n" * 20
    assert Buffer(source.encode()).get_value("python") == source.rstrip("\n")


@pytest.mark.usefixtures("other_parser")
def test_an_array_is_read_while_other_code_parses() -> None:
    stream = io.BytesIO()
    array = np.zeros(3, [("a", "<i4"), ("b", "<f8", (2, 3)), ("test_parse_python", "<f8")])
    np.save(stream, array)
    value = Buffer(stream.getvalue()).get_value("binary")
    assert value.dtype.names == array.dtype.names


@pytest.mark.parametrize("source", ["def f(:", "x = '"])
def test_wrong_source_is_a_syntax_error(source: str) -> None:
    with pytest.raises(SyntaxError):
        parse_python(source)
