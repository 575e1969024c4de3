from __future__ import annotations

import pytest

from seamless.util.number_arguments import parse_byte_size, parse_seconds


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        ("1_000_000", 1_000_000),
        ("512MB", 512_000_000),
        ("8GiB", 8 * 1024**3),
        ("8g", 8_000_000_000),
        ("1.5 kib", 1536),
        (" 2 TB ", 2 * 10**12),
        ("3B", 3),
    ],
)
def test_a_size_may_have_a_unit(text: str, size: int) -> None:
    assert parse_byte_size(text) == size


def test_a_number_of_bytes_is_unchanged() -> None:
    assert parse_byte_size(123) == 123


def test_a_large_size_is_exact() -> None:
    assert parse_byte_size("9007199254740993.5kB") == 9007199254740993500


def test_a_value_that_is_neither_a_number_nor_a_text_is_refused() -> None:
    with pytest.raises(TypeError):
        parse_byte_size(1.5)  # type: ignore[arg-type]  # the point of the test


@pytest.mark.parametrize(
    "text",
    ["1" * 400 + ".5", "9" * 5000, "", "MB", "-1", "1e9", "nan", "5 XB", "1.2.3GB", "5 GB extra"],
)
def test_a_text_that_is_not_a_size_is_named_in_the_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not a size in bytes; write it as"):
        parse_byte_size(text)


def test_a_negative_number_is_refused() -> None:
    with pytest.raises(ValueError, match="negative"):
        parse_byte_size(-1)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0", 0), ("90s", 90), ("45m", 2700), ("12h", 43_200), ("30d", 2_592_000), ("2w", 1_209_600)],
)
def test_a_time_has_a_unit(text: str, seconds: int) -> None:
    assert parse_seconds(text) == seconds


@pytest.mark.parametrize("text", ["", "d", "3", "-3d", "1.5d", "3 d", "3y", "٣d", "1" * 10 + "s"])
def test_what_is_not_a_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a length of time; write it as 90s"):
        parse_seconds(text)
