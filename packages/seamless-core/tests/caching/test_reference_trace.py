from __future__ import annotations

import pytest

from seamless.caching.introspection import ReferenceTrace, is_trace_wanted

NAME = b"\xcd" * 32


def test_the_most_frequent_place_comes_first() -> None:
    trace = ReferenceTrace()
    trace.note(NAME)
    for _ in range(3):
        trace.note(NAME)
    first, second = trace.places(NAME)
    assert first.startswith(f"{__file__}:")
    assert first.endswith("(3 times)")
    assert second.rpartition(":")[0] == __file__
    assert second.rpartition(":")[2].isdigit()


def test_nothing_is_known_of_what_was_not_noted_or_was_forgotten() -> None:
    trace = ReferenceTrace()
    assert trace.places(NAME) == ()
    trace.note(NAME)
    trace.forget(NAME)
    assert trace.places(NAME) == ()


@pytest.mark.parametrize(
    ("text", "wanted"), [("1", True), ("yes", True), ("0", False), ("false", False), ("", False)]
)
def test_the_environment_says_whether_a_trace_is_wanted(
    monkeypatch: pytest.MonkeyPatch, text: str, wanted: bool
) -> None:
    monkeypatch.setenv("SEAMLESS_DEBUG_REFERENCES", text)
    assert is_trace_wanted() == wanted
