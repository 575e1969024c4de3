"""Conversions at the exact limits of numbers and documents, and of one array of each kind."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from seamless.checksum.celltypes import yaml_json as yaml_module
from seamless.checksum.conversion import ConversionError, convert_bytes
from seamless.checksum.serialize import serialize_sync

LEAST, MOST = -(2**63), 2**64 - 1
#: 112 values with its aliases expanded, in fewer bytes
ALIASES = b"- &a [1,1,1,1,1,1,1,1,1]\n- [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\n"


def converted(content: bytes, source: str, target: str) -> bytes:
    return convert_bytes(content, source, target)


@pytest.mark.parametrize("number", [LEAST, LEAST + 1, -1, 0, MOST - 1, MOST])
def test_an_integer_of_64_bits_is_kept(number: int) -> None:
    written = b"%d\n" % number
    assert converted(written, "text", "int") == written
    assert converted(b"a: %d\n" % number, "yaml", "plain") == b'{\n  "a": %d\n}\n' % number


@pytest.mark.parametrize("number", [2**64, 2**65, -(2**63) * 2, 10**22])
def test_a_longer_integer_that_a_float_holds_stays_an_int(number: int) -> None:
    assert converted(b"%d\n" % number, "text", "int") == b"%d\n" % number


@pytest.mark.parametrize("number", [2**64 + 1, -(2**63) - 1, 10**23 + 1])
def test_a_longer_integer_that_no_float_holds_is_refused(number: int) -> None:
    with pytest.raises(ConversionError, match=f"can't hold {number} exactly"):
        converted(b'"%d"\n' % number, "str", "int")


@pytest.mark.parametrize(
    ("written", "plain"),
    [
        (b"%d" % (MOST + 1), b"1.8446744073709552e+19"),
        (b"%d" % (LEAST - 1), b"-9.223372036854776e+18"),
        (b"1" + b"0" * 400, b"null"),
        (b"-1" + b"0" * 400, b"null"),
        (b"-.inf", b"null"),
        (b".nan", b"null"),
    ],
)
def test_a_number_of_yaml_beyond_json_is_a_float_or_null(written: bytes, plain: bytes) -> None:
    assert converted(b"a: " + written + b"\n", "yaml", "plain") == b'{\n  "a": ' + plain + b"\n}\n"


def test_aliases_are_expanded_up_to_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yaml_module, "MAX_VALUES", 112)
    assert converted(ALIASES, "yaml", "plain").count(b"1") == 99
    monkeypatch.setattr(yaml_module, "MAX_VALUES", 111)
    with pytest.raises(ConversionError, match="aliases expanded"):
        converted(ALIASES, "yaml", "plain")


def test_a_long_document_may_hold_as_many_values_as_bytes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(yaml_module, "MAX_VALUES", 1)
    assert converted(b"[a, b, c]\n", "yaml", "plain").count(b'"') == 6


def test_one_value_twice_in_a_document_does_not_contain_itself() -> None:
    plain = converted(b"- &a {x: [1]}\n- *a\n- [*a]\n", "yaml", "plain")
    assert plain == converted(b'[{"x": [1]}, {"x": [1]}, [{"x": [1]}]]', "yaml", "plain")


@pytest.mark.parametrize(
    "document",
    [b"&a {x: *a}\n", b"&a [[*a]]\n", b"&a\n- {x: [*a]}\n"],
)
def test_a_document_that_contains_itself_is_refused(document: bytes) -> None:
    with pytest.raises(ConversionError, match="contains itself"):
        converted(document, "yaml", "plain")


@pytest.mark.parametrize(
    ("array", "numbers"),
    [
        (np.array(True), {"int": b"1\n", "float": b"1.0\n", "bool": b"true\n"}),
        (np.array(-7, "<i2"), {"int": b"-7\n", "float": b"-7.0\n", "bool": b"true\n"}),
        (np.array(7, "<u1"), {"int": b"7\n", "float": b"7.0\n", "bool": b"true\n"}),
        (np.array(0.0), {"int": b"0\n", "float": b"0.0\n", "bool": b"false\n"}),
        (np.array(b"12"), {"int": b"12\n", "float": b"12.0\n", "bool": b"true\n"}),
    ],
)
@pytest.mark.parametrize("source", ["binary", "mixed"])
def test_an_array_without_dimensions_is_a_number(
    array: Any, numbers: dict[str, bytes], source: str
) -> None:
    content = serialize_sync(array, source)
    assert {name: converted(content, source, name) for name in numbers} == numbers


@pytest.mark.parametrize(
    "array",
    [
        np.array([b"12"]),
        np.array((1,), np.dtype([("a", "<i4")], align=True)),
        np.zeros((0,)),
    ],
)
@pytest.mark.parametrize("target", ["int", "float", "bool"])
def test_other_arrays_are_not_numbers(array: Any, target: str) -> None:
    content = serialize_sync(array, "binary")
    with pytest.raises(ConversionError):
        converted(content, "binary", target)


@pytest.mark.parametrize("array", [np.array([b"ab"]), np.array(5)])
@pytest.mark.parametrize("source", ["binary", "mixed"])
def test_only_one_byte_string_is_unwrapped(array: Any, source: str) -> None:
    content = serialize_sync(array, source)
    assert converted(content, source, "bytes") == content


@pytest.mark.parametrize("target", ["binary", "mixed"])
@pytest.mark.parametrize("magic", [b"\x93NUMPY", b"\x94SEAMLESS-MIXED"])
def test_bytes_with_the_magic_of_an_array_but_damaged_are_wrapped(
    magic: bytes, target: str
) -> None:
    content = magic + b"but nothing that can be read"
    wrapped = converted(content, "bytes", target)
    assert wrapped == serialize_sync(np.array(content), target)
    assert converted(wrapped, target, "bytes") == content


@pytest.mark.parametrize(
    ("text", "truth"),
    [(" True ", b"true\n"), ("FALSE", b"false\n"), ("0.0", b"false\n"), ("-1e3", b"true\n")],
)
def test_a_text_that_names_a_truth_value_converts(text: str, truth: bytes) -> None:
    assert converted(serialize_sync(text, "str"), "str", "bool") == truth


@pytest.mark.parametrize(("source", "text"), [("str", '"nan"'), ("text", "NaN")])
def test_the_text_nan_is_not_a_truth_value(source: str, text: str) -> None:
    with pytest.raises(ConversionError, match="NaN is neither true nor false"):
        converted(f"{text}\n".encode(), source, "bool")


@pytest.mark.parametrize("text", ["inf", "-inf", "nan"])
def test_a_text_beyond_the_range_of_floats_is_refused(text: str) -> None:
    with pytest.raises(ConversionError, match=f"can't hold {text}"):
        converted(f"{text}\n".encode(), "text", "float")


@pytest.mark.parametrize(
    ("key", "text"),
    [(b"null", "null"), (b"true", "true"), (b"1.50", "1.5"), (b"2001-12-14", "2001-12-14")],
)
def test_a_key_of_yaml_becomes_its_text(key: bytes, text: str) -> None:
    plain = converted(key + b": x\n", "yaml", "plain")
    assert plain == f'{{\n  "{text}": "x"\n}}\n'.encode()


@pytest.mark.parametrize("key", [b"[1]", b"{a: 1}", b"!!set {a}"])
def test_a_key_of_yaml_that_is_not_a_scalar_is_refused(key: bytes) -> None:
    with pytest.raises(ConversionError):
        converted(b"? " + key + b"\n: x\n", "yaml", "plain")
