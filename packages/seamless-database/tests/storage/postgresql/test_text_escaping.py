from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from seamless_database.storage.postgresql.text_escaping import escape, unescape


@given(st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from("\x00\x01\x02")))
def test_every_text_survives_and_its_escaped_form_has_no_nul(text: str) -> None:
    assert "\x00" not in escape(text)
    assert unescape(escape(text)) == text


@given(st.lists(st.text(st.sampled_from("\x00\x01\x02a"), max_size=4), unique=True))
def test_different_texts_stay_different(texts: list[str]) -> None:
    assert len({escape(text) for text in texts}) == len(texts)


@given(st.lists(st.text(st.sampled_from("\x00\x01\x02a"), max_size=4)))
def test_texts_keep_their_order(texts: list[str]) -> None:
    assert sorted(texts, key=escape) == sorted(texts)
