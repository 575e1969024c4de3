"""What is recognized as simple YAML is YAML, and most documents are recognized."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seamless import Buffer
from seamless.checksum.celltypes.simple_yaml import is_simple_yaml
from seamless.checksum.celltypes.yaml_json import yaml_to_json

CONFIGURATION = """\
# a project
name: first project   # with a comment
version: 1.25
paths: [data/in.csv, "out dir", 'x', -3]
empty: []

owners:
- name: ada
  mail: "ada#home: 1"
- name: bob
steps:
  load:
    retries: 3
    note:
  save:
      - one
      - two words here
  last: null
"""

SIMPLE = [
    CONFIGURATION,
    "a: 1",
    "  a: 1\n  b: 2",
    "- 1\n- x\n# end\n\n- 'it'",
    "a:\n- k:\n  - x\n  l: 1\n- k: 2\nb:",
    "a:\n\n  # nested\n  b: # open\n    c: 1\n  d: 2\ne: 3",
    "- a: 1\n  b:\n    - 2\n- c",
]
NOT_SIMPLE = [
    "", "# only a comment", "text", "a: 1\n  b: 2", "a:\n  b: 1\n c: 2", " a: 1\nb: 2", "- a\nb: 1",
    "b: 1\n- a", "a: b: c", "a: [1", "a: 'it''s'", "a: |\n  x", "a: &x 1", "a: 2001-13-45", "a: =",
    "<<: 1", "a:b", "a: \tb", "a: é", "---\na: 1", "%YAML 1.1", "a: \"\\x\"", "? a", "- - 1",
    "a: hello\n  world", "a: 1\n- b", "- a: 1\n b: 2", "a: {b: 1}", "k" * 1001 + ": 1", "-\n- a",
    "a: !!str 1", "a: 1\n\tb: 2", "a: 012", "a: x\r\nb: y", "a: \x7f",
]  # fmt: skip


@pytest.mark.parametrize("source", SIMPLE)
def test_simple_documents_are_recognized(source: str) -> None:
    assert is_simple_yaml(source)
    yaml_to_json(source.encode())


@pytest.mark.parametrize("source", NOT_SIMPLE)
def test_other_documents_are_left_to_the_parser(source: str) -> None:
    assert not is_simple_yaml(source)


PIECES = st.sampled_from(
    ["a", "b c", "1", "-2.5", "0", "'x'", '"y: #"', "[]", "[a, 1]", "#", "# c", ":", "-", "x-", "."]
)
LINES = st.builds(
    lambda indent, dash, key, value: f"{' ' * indent}{dash}{key}{value}",
    st.integers(0, 5),
    st.sampled_from(["", "", "- "]),
    st.sampled_from(["", "a:", "b: ", "a/b.c: ", "null: ", "true:", "- "]),
    PIECES | st.just(""),
)


@given(st.lists(LINES, max_size=7))
def test_what_is_recognized_is_accepted_by_the_parser(lines: list[str]) -> None:
    source = "\n".join(lines)
    if is_simple_yaml(source):
        yaml_to_json(source.encode())


@pytest.mark.parametrize("start", ["", "- "])
def test_deep_documents_are_left_to_the_parser(start: str) -> None:
    step = len(start) or 1
    lines = [f"{' ' * step * level}{start}a:" for level in range(60)]
    assert is_simple_yaml("\n".join(lines[:20]))
    assert not is_simple_yaml("\n".join(lines))


def test_a_wrong_document_that_looks_simple_is_refused_as_yaml() -> None:
    with pytest.raises(ValueError, match="no valid YAML"):
        Buffer("a: 1\n  b: 2", "yaml").get_value("yaml")
