"""YAML documents: which texts are valid, and their JSON."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seamless import Buffer
from seamless.checksum.celltypes import yaml_json
from seamless.checksum.conversion import ConversionError, convert_bytes


def in_json(source: str) -> Any:
    """Return the data of a document, after reading it as `yaml`."""
    assert Buffer(source.encode()).get_value("yaml") == source.rstrip("\n")
    return json.loads(convert_bytes(source.encode(), "yaml", "plain"))


def test_no_plug_ins_of_the_parser_are_searched(monkeypatch: pytest.MonkeyPatch) -> None:
    from ruamel.yaml import YAML

    monkeypatch.setattr(YAML, "official_plug_ins", lambda _loader: pytest.fail("searched"))
    assert in_json("no: plug-ins") == {"no": "plug-ins"}


def assert_refused(source: str) -> None:
    with pytest.raises(ValueError, match="no valid YAML"):
        Buffer(source.encode()).get_value("yaml")
    with pytest.raises(ConversionError, match="no valid YAML"):
        convert_bytes(source.encode(), "yaml", "plain")


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("a: 1\na: 2", {"a": 2}),
        ('{"a": 1, "a": 2}', {"a": 2}),
        ('1: x\n"1": y', {"1": "y"}),
        ("1: x\ntrue: y\n1.0: z", {"1": "x", "true": "y", "1.0": "z"}),
        ("{b: 1, a: {c: 2}}\n# end", {"a": {"c": 2}, "b": 1}),
        ("a: &x 1\nb: &x 2\nc: *x", {"a": 1, "b": 2, "c": 2}),
        ("a: &x {k: 1}\nb: *x", {"a": {"k": 1}, "b": {"k": 1}}),
        ("? a\n? b", {"a": None, "b": None}),
        ("=: 1\n~: 2", {"=": 1, "null": 2}),
        ("!!set {b, a}", {"a": None, "b": None}),
        ("!!omap [b: 1, a: 2, b: 3]", {"b": 3, "a": 2}),
        ("!!pairs [b: 1, b: [2]]", [["b", 1], ["b", [2]]]),
        ("%YAML 1.1\n---\n[1e3, 012, 1:30, yes]", [1000.0, 10, 90, True]),
        ("%YAML 1.2\n---\n[1e3, 012, 1:30, yes]", [1000.0, 12, "1:30", "yes"]),
        ("[.inf, 12345678901234567890123, 0x1F, 0o17]", [None, 12345678901234567890123.0, 31, 15]),
        ("- !!binary aGk=\n- 2001-12-14\n- 2001-12-14t21:59:43Z", None),
        ('- "\\ud83d\\ude00"\n', ["\U0001f600"]),
        ("", None),
        ("[" * 300 + "]" * 300, None),
    ],
)
def test_a_document_is_valid_and_converts_to_json(source: str, value: Any) -> None:
    assert value in (None, in_json(source))


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("a: &a {x: 1, y: 1}\nb: {<<: *a, y: 2}", {"x": 1, "y": 2}),
        ("a: &a {x: 1, y: 1}\nb: {y: 2, <<: *a}", {"x": 1, "y": 2}),
        ("b: {<<: [{x: 1}, {x: 2, y: 2}], z: 3}", {"x": 1, "y": 2, "z": 3}),
        ("b: {<<: {x: 1, y: 1}, <<: {x: 2}}", {"x": 2, "y": 1}),
        ("b: {<<: {<<: {x: 1}, y: 1}}", {"x": 1, "y": 1}),
        ("a: 1\nb: {<<: {<<: &a {x: 1}, y: *a}}", {"x": 1, "y": {"x": 1}}),
        ('b: {<<: {1: x}, "1": y}', {"1": "y"}),
    ],
)
def test_a_merge_key_gives_the_entries_that_a_mapping_lacks(source: str, value: Any) -> None:
    assert in_json(source)["b"] == value


@pytest.mark.parametrize(
    "source",
    [
        "!!int ''", "!!float ''", '"\\UFFFFFFFF"', "!!bool perhaps", "!!timestamp x", "!!int 0xZ",
        "!!binary é", "!!omap [a: 1, b]", "!!omap {a: 1}", "!!pairs [[1]]",
        "!!omap [{a: 1, b: 2}]", "!!pairs [{}]",
        "!!set [a]", "!!seq {a: 1}", "!!map [1]", "!!str [1]", "!thing {a: 1}", "!thing 1", "a: =",
        "[1, 2]: x", "? {a: 1}", "!!set {? [1]}", "&a [*a]", "&a {b: *a}", "<<: 1", "<<: [1]",
        "&a {<<: *a}", "<<: ''", "<<: [[]]",
        '"\\ud800"', '["\\udc00"]', "!!python/name:os.system x", "a: 1\n---\nb: 2",
        "- " * 3000 + "1", "!!int '" + "1" * 5000 + "'", "2001-13-45",
    ],
)  # fmt: skip
def test_a_document_without_plain_data_is_refused_by_name(source: str) -> None:
    assert_refused(source)


def test_too_little_memory_is_not_taken_for_a_malformed_document(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def read(_: str) -> None:
        raise MemoryError

    monkeypatch.setattr(yaml_json, "_read", read)
    with pytest.raises(MemoryError):
        convert_bytes(b"a: 1", "yaml", "plain")


# -- documents that grow when their aliases are expanded --------------------------------------


def test_repeated_merges_of_the_same_mapping_stay_small() -> None:
    levels = ["a0: &a0 {k0: 0}"]
    levels += [f"a{n}: &a{n} {{<<: [*a{n - 1}, *a{n - 1}], k{n}: {n}}}" for n in range(1, 60)]

    assert in_json("\n".join(levels))["a59"] == {f"k{n}": n for n in range(60)}


def test_too_many_merged_entries_are_refused() -> None:
    levels = ["- &a0 {k0: 0}", *(f"- &a{n} {{<<: *a{n - 1}, k{n}: 0}}" for n in range(1, 1500))]

    assert_refused("\n".join(levels))


def test_too_many_expanded_aliases_are_refused() -> None:
    levels = ["a0: &a0 [x]"]
    levels += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 300)]

    assert_refused("\n".join(levels))


# -- valid documents convert, and no others -----------------------------------------------------

KEYS = st.sampled_from(
    ["a", "b", "1", "true", "null", "2.5", "<<", "=", "'q'", "2001-01-01", "~", "? x", "*x", "[k]"]
)
VALUES = st.sampled_from([
    "1", "x y", "'s'", '"d\\n"', "[1, *x]", "{a: 1, b: *x}", "*x", "&x {p: 1}", "&x 5", "!foo 1",
    "!!set {a, b}", "!!omap [a: 1, b: 2]", "!!pairs [a: 1]", "!!binary aGk=", "1e3", "0o14", ".inf",
    "1:30", "!!float 3", "yes", "", "{? a : b}", "=", "12345678901234567890123", "!!int ''",
    '"\\ud83d"', "[", "|\n  text", "!!null x", "'", '{"a": 1, "a": [2]}',
])  # fmt: skip
ENTRIES = st.builds("{}: {}".format, KEYS, VALUES)
ITEMS = st.builds("- {}".format, VALUES)
HEADS = st.sampled_from(["", "---\n", "%YAML 1.1\n---\n", "%YAML 1.2\n---\n"])


@settings(deadline=None)
@given(HEADS, st.lists(ENTRIES, max_size=5) | st.lists(ITEMS, max_size=5))
def test_exactly_the_documents_that_are_valid_can_be_converted(head: str, lines: list[str]) -> None:
    content = (head + "\n".join(lines) + "\n").encode()
    try:
        Buffer(content).get_value("yaml")
    except ValueError:
        with pytest.raises(ConversionError):
            convert_bytes(content, "yaml", "plain")
    else:
        Buffer(convert_bytes(content, "yaml", "plain")).get_value("plain")
