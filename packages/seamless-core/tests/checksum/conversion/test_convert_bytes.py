"""`convert_bytes`: the properties of each class for random values, and particular results."""

from __future__ import annotations

import contextlib
import importlib.util
from itertools import pairwise, permutations
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from python_runs import run_python
from value_strategies import FLOATS, INTEGERS, JSON_VALUES, LINES, VALUES

from seamless.checksum.buffer_facts import compute_buffer_info
from seamless.checksum.buffer_info import convert_from_buffer_info
from seamless.checksum.celltypes import codec_of
from seamless.checksum.conversion import (
    Conversion,
    ConversionError,
    classify,
    conversion_chain,
    convert_bytes,
    route,
)
from seamless.checksum.conversion.convert_bytes import STEPS
from seamless.checksum.serialize import serialize_sync

PAIRS = list(permutations(VALUES, 2))
#: only a parser can decide whether text is valid; no property proves it
UNPROVED = {"python", "yaml"}


def pairs_of(*words: Conversion) -> list[tuple[str, str]]:
    return [pair for pair in PAIRS if classify(*pair) in words]


@st.composite
def buffers(draw: st.DrawFn, *words: Conversion) -> tuple[bytes, str, str]:
    source, target = draw(st.sampled_from(pairs_of(*words)))
    return serialize_sync(draw(VALUES[source]), source), source, target


@settings(deadline=None)
@given(buffers(Conversion.TRIVIAL))
def test_trivial_returns_the_same_object(case: tuple[bytes, str, str]) -> None:
    assert convert_bytes(*case) is case[0]


@settings(deadline=None)
@given(st.binary(), st.sampled_from(pairs_of(Conversion.TRIVIAL)))
def test_trivial_does_not_read_the_bytes(content: bytes, pair: tuple[str, str]) -> None:
    assert convert_bytes(content, *pair) is content


@settings(deadline=None)
@given(buffers(Conversion.TRIVIAL))
def test_a_trivial_result_reads_as_the_target(case: tuple[bytes, str, str]) -> None:
    codec_of(case[2]).from_bytes(convert_bytes(*case))


@settings(deadline=None)
@given(buffers(Conversion.REINTERPRET))
def test_reinterpret_keeps_the_bytes_or_fails(case: tuple[bytes, str, str]) -> None:
    with contextlib.suppress(ConversionError):
        assert convert_bytes(*case) == case[0]


@settings(deadline=None)
@given(st.binary(), st.sampled_from(pairs_of(Conversion.REINTERPRET)))
def test_reinterpret_keeps_only_what_the_target_reads(
    content: bytes, pair: tuple[str, str]
) -> None:
    with contextlib.suppress(ConversionError):
        codec_of(pair[1]).from_bytes(convert_bytes(content, *pair))


@settings(deadline=None)
@given(buffers(Conversion.REFORMAT))
def test_reformat_never_fails_and_reads_as_the_target(case: tuple[bytes, str, str]) -> None:
    codec_of(case[2]).from_bytes(convert_bytes(*case))


@settings(deadline=None)
@given(buffers(Conversion.POSSIBLE))
def test_possible_reads_as_the_target_or_fails(case: tuple[bytes, str, str]) -> None:
    with contextlib.suppress(ConversionError):
        codec_of(case[2]).from_bytes(convert_bytes(*case))


@settings(deadline=None)
@given(st.binary(), st.sampled_from(PAIRS))
def test_invalid_bytes_raise_only_a_conversion_error(content: bytes, pair: tuple[str, str]) -> None:
    with contextlib.suppress(ConversionError):
        assert isinstance(convert_bytes(content, *pair), bytes)


@settings(deadline=None)
@given(buffers(*Conversion), st.data())
def test_a_chain_equals_its_two_steps(case: tuple[bytes, str, str], data: st.DataObject) -> None:
    content, source, _ = case
    chains = [pair for pair in conversion_chain if pair[0] == source]
    if not chains:
        return
    source, target = data.draw(st.sampled_from(chains))
    middle = conversion_chain[source, target]

    def outcome(*names: str) -> bytes | None:
        result = content
        try:
            for pair in pairwise(names):
                result = convert_bytes(result, *pair)
        except ConversionError:
            return None
        return result

    assert outcome(source, target) == outcome(source, middle, target)


@settings(deadline=None)
@given(buffers(Conversion.REFORMAT, Conversion.POSSIBLE))
def test_the_same_buffer_always_gives_the_same_bytes(case: tuple[bytes, str, str]) -> None:
    with contextlib.suppress(ConversionError):
        assert convert_bytes(*case) == convert_bytes(bytes(bytearray(case[0])), *case[1:])


@pytest.mark.parametrize("pair", pairs_of(Conversion.FORBIDDEN))
def test_a_forbidden_conversion_names_both_cell_types_and_an_alternative(
    pair: tuple[str, str],
) -> None:
    with pytest.raises(ConversionError, match=rf"{pair[0]} -> {pair[1]} .*make the .* value") as e:
        convert_bytes(b"1\n", *pair)
    assert (e.value.source, e.value.target) == pair


def test_every_step_of_every_route_has_a_function() -> None:
    steps = {step for pair in PAIRS for step in route(*pair) if classify(*pair) != "forbidden"}
    assert steps <= set(STEPS)


def test_no_step_is_forbidden() -> None:
    assert not {pair for pair in STEPS if classify(*pair) is Conversion.FORBIDDEN}


@pytest.mark.parametrize(
    ("value", "source", "target", "words"),
    [
        (None, "plain", "str", "null is not a string, number or truth value"),
        ([1], "plain", "str", "list is not a string, number or truth value"),
        (None, "plain", "float", "null is not a single number"),
        ({}, "plain", "int", "dict is not a single number"),
        (np.zeros((2, 1)), "binary", "int", r"an array of shape \(2, 1\) is not a single number"),
    ],
)
def test_the_error_names_the_value_that_can_not_be_converted(
    value: Any, source: str, target: str, words: str
) -> None:
    message = f"this {source} buffer can't be converted to {target}: {words}"
    with pytest.raises(ConversionError, match=message):
        convert_bytes(serialize_sync(value, source), source, target)


INEXACT = b"18446744073709551617\n"  # 2**64 + 1, which a float can't hold
EXACT = b"18446744073709551616\n"


@pytest.mark.parametrize("source", ["text", "str", "plain", "mixed", "bytes"])
def test_an_integer_that_an_int_buffer_can_not_hold_exactly_is_refused(source: str) -> None:
    with pytest.raises(ConversionError, match="can't hold 18446744073709551617 exactly"):
        convert_bytes(INEXACT, source, "int")
    assert convert_bytes(EXACT, source, "int") == EXACT


def test_only_bytes_are_converted() -> None:
    with pytest.raises(TypeError, match="str"):
        convert_bytes("abc", "text", "plain")  # type: ignore[arg-type]  # the point of the test


@pytest.mark.parametrize(
    "value",
    ["\x7f", "\x80\x85\x9f", "\u2028\ufeff\uffff", {"k" * 2000: 1}, {"\x7f\x85": ["\x7f"]}, "\0\t"],
)
def test_plain_is_yaml_also_where_yaml_parsers_fail(value: Any) -> None:
    content = serialize_sync(value, "plain")
    text = codec_of("yaml").from_bytes(convert_bytes(content, "plain", "yaml"))
    assert text == content.decode().rstrip("\n")
    assert convert_bytes(content, "yaml", "plain") == content


# -- round trips ---------------------------------------------------------------------------


@pytest.mark.parametrize("middle", ["mixed", "yaml", "bytes"])
@settings(deadline=None)
@given(value=JSON_VALUES)
def test_plain_is_the_same_after_trivial_conversions_and_back(middle: str, value: object) -> None:
    content = serialize_sync(value, "plain")
    assert convert_bytes(convert_bytes(content, "plain", middle), middle, "plain") == content


@settings(deadline=None)
@given(INTEGERS)
def test_an_integer_is_the_same_after_conversion_to_text_and_back(value: int) -> None:
    content = serialize_sync(value, "int")
    assert convert_bytes(convert_bytes(content, "int", "str"), "str", "int") == content


@settings(deadline=None)
@given(FLOATS)
def test_a_float_is_the_same_after_conversion_to_text_and_back(value: float) -> None:
    content = serialize_sync(value, "float")
    assert convert_bytes(convert_bytes(content, "float", "str"), "str", "float") == content


@settings(deadline=None)
@given(st.booleans())
def test_a_truth_value_is_the_same_after_conversion_to_text_and_back(value: bool) -> None:
    content = serialize_sync(value, "bool")
    assert convert_bytes(convert_bytes(content, "bool", "str"), "str", "bool") == content


@settings(deadline=None)
@given(LINES)
def test_text_is_the_same_after_conversion_to_a_json_string_and_back(value: str) -> None:
    content = serialize_sync(value, "text")
    assert convert_bytes(convert_bytes(content, "text", "str"), "str", "text") == content


@settings(deadline=None)
@given(st.binary(min_size=1).filter(lambda content: not content.startswith(b"\x93NUMPY")))
def test_bytes_are_the_same_after_conversion_to_an_array_and_back(content: bytes) -> None:
    assert convert_bytes(convert_bytes(content, "bytes", "binary"), "binary", "bytes") == content


@settings(deadline=None)
@given(buffers(Conversion.REFORMAT, Conversion.POSSIBLE))
def test_the_prediction_from_properties_is_right(case: tuple[bytes, str, str]) -> None:
    content, source, target = case
    info = compute_buffer_info(content, source)
    try:
        answer = convert_from_buffer_info(info, source, target)
    except ConversionError:
        return
    if answer is False:
        with pytest.raises(ConversionError):
            convert_bytes(content, source, target)
    elif answer is True:
        codec_of(target).from_bytes(content)
        codec_of(target).from_bytes(convert_bytes(content, source, target))
    elif answer == -1 and target not in UNPROVED:
        convert_bytes(content, source, target)


# -- particular results --------------------------------------------------------------------


def npy(value: Any) -> bytes:
    return serialize_sync(value, "mixed")


@pytest.mark.parametrize(
    ("content", "source", "target", "result"),
    [
        (b'{"b": 1}\n', "text", "plain", b'{"b": 1}\n'),
        (b"hello\n", "text", "plain", b'"hello"\n'),
        (b"12\n", "text", "str", b'"12"\n'),
        (b"12\n", "text", "mixed", b'"12"\n'),
        (b"x = 1\n", "python", "plain", b'"x = 1"\n'),
        (b'"hello"\n', "plain", "text", b"hello\n"),
        (b"[1, 2]\n", "plain", "text", b"[1, 2]\n"),
        (b"null\n", "plain", "text", b"null\n"),
        (b"12\n", "plain", "str", b'"12"\n'),
        (b"true\n", "plain", "str", b"true\n"),
        (b'"12"\n', "plain", "int", b"12\n"),
        (b"1.9\n", "float", "int", b"1\n"),
        (b"1\n", "int", "float", b"1.0\n"),
        (b"1e+300\n", "float", "int", b"%d\n" % int(1e300)),
        (b"0\n", "int", "bool", b"false\n"),
        (b'"False"\n', "str", "bool", b"false\n"),
        (b'"0"\n', "str", "bool", b"false\n"),
        (b"true\n", "str", "int", b"1\n"),
        (b"0012\n", "text", "int", b"12\n"),
        (b"a: 1\n", "yaml", "plain", b'{\n  "a": 1\n}\n'),
        (b"a: 1\n", "yaml", "mixed", b'"a: 1"\n'),
        (b"3.0\n", "yaml", "int", b"3\n"),
        (b"1: {null: .inf}\n", "yaml", "plain", b'{\n  "1": {\n    "null": null\n  }\n}\n'),
        (b"!!set {b, a}\n", "yaml", "plain", b'{\n  "a": null,\n  "b": null\n}\n'),
        (b"!!binary aGk=\n", "yaml", "plain", b'"aGk="\n'),
        (b"2001-12-14\n", "yaml", "plain", b'"2001-12-14"\n'),
        (b"x = 1\n", "ipython", "python", b"x = 1\n"),
        (npy(np.array(b"ab\0")), "binary", "bytes", b"ab\0"),
        (npy(np.arange(3)), "binary", "bytes", npy(np.arange(3))),
        (npy(np.arange(3)), "bytes", "binary", npy(np.arange(3))),
        (npy({"a": np.arange(3)}), "bytes", "mixed", npy({"a": np.arange(3)})),
        (b"[1]\n", "bytes", "mixed", npy(np.array(b"[1]\n"))),
        (npy(np.array(7)), "binary", "int", b"7\n"),
        (npy(np.array(b"7")), "mixed", "float", b"7.0\n"),
        (npy(np.array(b'"x"')), "binary", "str", b'"x"\n'),
    ],
)
def test_a_conversion_returns(content: bytes, source: str, target: str, result: bytes) -> None:
    assert convert_bytes(content, source, target) == result


@pytest.mark.parametrize(
    ("content", "source", "target"),
    [
        (b"hello\n", "text", "int"),
        (b"x = \n", "text", "python"),
        (b"x = = 1\n", "ipython", "python"),
        (b"a: [\n", "text", "yaml"),
        (b"\xff", "bytes", "text"),
        (b"NaN\n", "mixed", "plain"),
        (b"NaN\n", "mixed", "float"),
        (b'"a"\n', "mixed", "binary"),
        (b"{}\n", "plain", "str"),
        (b"null\n", "plain", "bool"),
        (b'"nan"\n', "str", "float"),
        (b'"perhaps"\n', "str", "bool"),
        (b'"123456789012345678901234567891"\n', "str", "int"),
        (npy(np.arange(3)), "binary", "int"),
        (npy(np.array([3])), "binary", "int"),
        (npy(np.array(np.nan)), "binary", "int"),
        (npy(np.array(np.nan)), "binary", "bool"),
        (b"[1, 2]: x\n", "yaml", "plain"),
        (b"&a [*a]\n", "yaml", "plain"),
        (b'"\\ud800"\n', "yaml", "plain"),
        (b"!!python/name:os.system x\n", "yaml", "plain"),
    ],
)
def test_a_conversion_is_refused_with_the_pair_in_the_message(
    content: bytes, source: str, target: str
) -> None:
    with pytest.raises(ConversionError, match=f"{source} buffer can't be converted to {target}"):
        convert_bytes(content, source, target)


@pytest.mark.skipif(importlib.util.find_spec("IPython") is None, reason="IPython is not installed")
def test_a_magic_becomes_a_call() -> None:
    assert b"run_line_magic('time'" in convert_bytes(b"%time x\n", "ipython", "python")


def test_without_ipython_a_magic_is_refused_with_advice() -> None:
    run_python(
        "import sys\n"
        "sys.modules['IPython'] = None  # as if it were not installed\n"
        "from seamless.checksum.conversion import ConversionError, convert_bytes\n"
        "try:\n"
        "    convert_bytes(b'%time x', 'ipython', 'python')\n"
        "except ConversionError as error:\n"
        "    assert 'install the package ipython' in str(error)\n"
        "else:\n"
        "    sys.exit('it was converted all the same')\n"
    )
