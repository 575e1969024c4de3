"""A text that has passed a check passes it again without another look, and no other does."""

from __future__ import annotations

import pytest

from seamless import Buffer
from seamless.checksum.celltypes.validation_cache import ValidationCache


def refuse_bad(source: str) -> None:
    """Refuse text that says it is bad."""
    if "bad" in source:
        raise ValueError(source)


def test_a_text_is_checked_once() -> None:
    seen: list[str] = []
    check = ValidationCache(seen.append)
    for source in ("a", "b", "a", "b", "a"):
        check(source)
    assert seen == ["a", "b"]


def test_a_wrong_text_is_refused_every_time() -> None:
    check = ValidationCache(refuse_bad)
    for _ in range(2):
        check("good")
        with pytest.raises(ValueError, match="bad"):
            check("bad")


def test_what_is_remembered_is_bounded_and_goes_on_after_that() -> None:
    seen: list[str] = []
    check = ValidationCache(seen.append)
    for i in range(3000):
        check(str(i))
        check(str(i))
    assert len(seen) == 3000
    check("0")
    assert seen[3000:] == ["0"]


@pytest.mark.parametrize(
    ("celltype", "good", "wrong"),
    [("python", b"x = 1\n", b"x = \n"), ("yaml", b"a: 1\n", b"a: b: c\n")],
)
def test_code_is_refused_however_often_it_is_read(celltype: str, good: bytes, wrong: bytes) -> None:
    for _ in range(3):
        assert Buffer(good).get_value(celltype) == good.decode().rstrip()
        with pytest.raises(ValueError, match="no valid"):
            Buffer(wrong).get_value(celltype)
