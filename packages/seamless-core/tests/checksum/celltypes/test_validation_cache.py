"""The validation cache: a valid text is validated once, an invalid one every time."""

from __future__ import annotations

import pytest

from seamless import Buffer
from seamless.checksum.celltypes.validation_cache import ValidationCache


def refuse_bad(source: str) -> None:
    """Refuse the text `bad`."""
    if "bad" in source:
        raise ValueError(source)


def test_a_text_is_checked_once() -> None:
    seen: list[str] = []
    check = ValidationCache(seen.append)
    for source in ("a", "b", "a", "b", "a"):
        check(source)
    assert seen == ["a", "b"]


def test_an_invalid_text_is_refused_every_time() -> None:
    check = ValidationCache(refuse_bad)
    for _ in range(2):
        check("good")
        with pytest.raises(ValueError, match="bad"):
            check("bad")


def test_the_cache_is_bounded_and_is_filled_again() -> None:
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
def test_invalid_code_is_refused_every_time(celltype: str, good: bytes, wrong: bytes) -> None:
    for _ in range(3):
        assert Buffer(good).get_value(celltype) == good.decode().rstrip()
        with pytest.raises(ValueError, match="no valid"):
            Buffer(wrong).get_value(celltype)
