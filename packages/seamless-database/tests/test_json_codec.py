from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from json_values import VALUES

from seamless_database import json_codec
from seamless_database.json_codec import JsonError

if TYPE_CHECKING:
    from collections.abc import Callable


@given(VALUES)
def test_stored_json_is_parsed_unchanged(value: object) -> None:
    for form in (json_codec.minified, json_codec.spaced):
        assert repr(json_codec.parse(form(value))) == repr(value)


@given(st.dictionaries(st.text(max_size=5), VALUES, max_size=4))
def test_records_are_equal_in_any_order_of_keys(record: dict[str, object]) -> None:
    turned = dict(reversed(record.items()))
    assert json_codec.records_equal(json_codec.minified(record), json_codec.minified(turned))


@pytest.mark.parametrize("pair", [("1", "1.0"), ("1", "true"), ("0", "false"), ("0.0", "-0.0")])
def test_numbers_of_another_type_differ(pair: tuple[str, str]) -> None:
    one, other = (f'{{"x":{number}}}' for number in pair)
    assert not json_codec.records_equal(one, other)


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("0.1234567890123456789", "0.12345678901234568"),
        ("1.50", "1.5"),
        ("1e2", "100.0"),
        ("1e-400", "0.0"),
        ("-1e-400", "-0.0"),
        ("5e-324", "5e-324"),
        ("-0", "0"),
        ("-0.0", "-0.0"),
        ("3.0", "3.0"),
        ("9" * 4300, "9" * 4300),
    ],
)
def test_numbers_are_kept_as_doubles_and_integers(sent: str, kept: str) -> None:
    assert json_codec.minified(json_codec.parse(sent)) == kept
    assert json_codec.records_equal(f'{{"x": {sent}}}', f'{{"x": {kept}}}')


@given(VALUES, VALUES)
def test_records_with_the_same_values_are_equal(one: object, other: object) -> None:
    texts = [json.dumps(value, sort_keys=True) for value in (one, other)]
    assert json_codec.records_equal(*texts) == (texts[0] == texts[1])


@given(st.dictionaries(st.text(max_size=5), VALUES, max_size=4), VALUES)
def test_equal_records_pass_the_fast_check(one: dict[str, object], other: object) -> None:
    turned = dict(reversed(one.items()))
    assert json_codec.may_be_equal_records(json_codec.minified(one), json_codec.minified(turned))
    texts = json_codec.minified(one), json_codec.minified(other)
    assert json_codec.may_be_equal_records(*texts) or not json_codec.records_equal(*texts)


@pytest.mark.parametrize("other", ['{"x":12}', '{"x":1}', '{"x":30}', '{"y":10}', '{"x":[]}'])
def test_other_characters_fail_the_fast_check(other: str) -> None:
    assert not json_codec.may_be_equal_records('{"x":10}', other)


def test_a_repeated_key_is_compared_by_its_last_value() -> None:
    assert json_codec.records_equal('{"k": 1, "k": 2}', '{"k": 2}')
    assert not json_codec.records_equal('{"k": 1, "k": 2}', '{"k": 1}')


def test_long_lists_are_compared_to_their_end() -> None:
    numbers = list(range(2500))
    assert json_codec.records_equal(json.dumps(numbers), f" {json.dumps(numbers)}")
    for place in (0, 999, 1000, 2499):
        other = [*numbers[:place], -1, *numbers[place + 1 :]]
        assert not json_codec.records_equal(json.dumps(numbers), json.dumps(other))
    assert not json_codec.records_equal(json.dumps(numbers), json.dumps(numbers[:-1]))


def test_a_record_that_nests_too_deep_differs() -> None:
    deep = "[" * 5000 + "]" * 5000
    assert not json_codec.records_equal(deep, "[]")


@given(st.text())
def test_any_text_is_json_or_a_json_error(text: str) -> None:
    try:
        json_codec.parse(text)
    except JsonError:
        return
    json.loads(text)


@pytest.mark.parametrize("constant", ["NaN", "Infinity", "-Infinity", "1e999", "-1e999"])
def test_nan_and_infinities_are_rejected(constant: str) -> None:
    with pytest.raises(JsonError):
        json_codec.parse(f'{{"x": {constant}}}')


def test_the_deepest_nesting_is_accepted() -> None:
    deep = "[" * json_codec.MAX_DEPTH + "]" * json_codec.MAX_DEPTH
    assert json_codec.minified(json_codec.parse(deep)) == deep
    assert json_codec.records_equal(deep, deep.replace("[]", "[ ]"))
    assert json.loads(json_codec.sorted_and_indented({"x": json_codec.parse(deep)}))


@pytest.mark.parametrize("depth", [json_codec.MAX_DEPTH + 1, 5_000, 500_000])
@pytest.mark.parametrize("brackets", [("[", "]"), ('{"a":', "}")])
def test_deeper_nesting_is_rejected(depth: int, brackets: tuple[str, str]) -> None:
    opening, closing = brackets
    with pytest.raises(JsonError, match="nested deeper than 200 levels"):
        json_codec.parse(opening * depth + ("1" if closing == "}" else "") + closing * depth)


def test_many_brackets_that_do_not_nest_are_accepted() -> None:
    assert len(json_codec.parse("[" + "[]," * 5_000 + "[]]")) == 5_001


def test_the_longest_integer_is_accepted_and_a_longer_one_rejected() -> None:
    digits = "9" * json_codec.MAX_DIGITS
    assert json_codec.minified(json_codec.parse(digits)) == digits
    with pytest.raises(JsonError, match="4300 digits"):
        json_codec.parse(digits + "9")


def test_the_last_value_of_a_repeated_key_counts() -> None:
    assert json_codec.parse('{"k": 1, "k": 2}') == {"k": 2}


def test_the_stored_forms() -> None:
    value = {"b": [1, 2.0], "a": "é"}
    assert json_codec.minified(value) == '{"b":[1,2.0],"a":"\\u00e9"}'
    assert json_codec.spaced(["a", 0, "é"]) == '["a", 0, "\\u00e9"]'
    assert json_codec.sorted_and_indented({"b": 1, "a": None}) == '{\n  "a": null,\n  "b": 1\n}'


@pytest.mark.parametrize(
    "write", [json_codec.minified, json_codec.spaced, json_codec.sorted_and_indented]
)
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_nan_and_infinities_are_never_stored(write: Callable[[object], str], value: float) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        write({"x": [value]})


def test_stored_nan_becomes_null() -> None:
    assert json_codec.stored_json('{"x": NaN, "y": "NaN", "z": -Infinity}') == (
        '{"x": null, "y": "NaN", "z": null}'
    )


def test_other_stored_text_is_unchanged() -> None:
    text = '{"x":1180591620717411303424,  "y":3.0}'
    assert json_codec.stored_object(text) is text


@pytest.mark.parametrize(
    "text",
    [
        '"NaN"',
        r'{"a":"NaN"}',
        r'{"a":"\"NaN"}',
        r'{"a":"\\\"NaN","\"Infinity":0}',
        r'{"NaN":"-Infinity"}',
        r'["","NaN","\\","Infinity","\\\\"]',
    ],
)
def test_nan_in_a_string_is_unchanged(text: str) -> None:
    assert json.loads(text)
    assert json_codec.stored_json(text) == text
    with_nan = f"[{text},NaN,{text},-Infinity]"
    assert json_codec.stored_json(with_nan) == f"[{text},null,{text},null]"


@given(VALUES, st.text(st.sampled_from('NaN"\\ Infinity-')))
def test_nan_is_replaced_only_outside_of_strings(value: object, string: str) -> None:
    text = json.dumps({string: [float("nan"), value, float("-inf"), string]})
    wanted = json.dumps({string: [None, value, None, string]})
    assert json_codec.stored_object(text) == wanted


@pytest.mark.parametrize(
    "text", ['{"a": NaN, "b', '"NaN', 'NaN"', '{"a": "NaN\\', "Infinity NaN", '"' * 99 + "NaN"]
)
def test_damaged_text_with_nan_is_damaged(text: str) -> None:
    assert json_codec.stored_json(text) is None


def test_a_long_object_is_unchanged_but_for_nan() -> None:
    text = f'{{"x": "NaN{"x" * json_codec.MAX_CHECKED}", "y": 1}}'
    assert json_codec.stored_object(text) == text
    assert json_codec.stored_object(text.replace("1}", "NaN}")) == text.replace("1}", "null}")
    for ending in ("", "]", '"'):
        assert json_codec.stored_object(text[:-1] + ending) is None
    assert json_codec.stored_object(f"[{text[1:]}") is None


def test_nan_alone_becomes_null() -> None:
    assert json_codec.stored_json("NaN") == "null"
    assert json_codec.stored_json("-Infinity") == "null"


@pytest.mark.parametrize("place", [0, 1, 1024 * 1024 - 2, 1024 * 1024 + 1, 3 * 1024 * 1024 - 1])
@pytest.mark.parametrize("constant", ["NaN", "Infinity"])
def test_invalid_json_is_found_anywhere_in_a_long_text(place: int, constant: str) -> None:
    text = f"[{' ' * place}{constant}{' ' * 10}]"
    assert json_codec.stored_json(text) == text.replace(constant, "null")
