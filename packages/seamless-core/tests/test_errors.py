"""The error tree: what catches what, what the texts say, and that errors travel."""

from __future__ import annotations

import pickle

import pytest

from seamless import errors
from seamless.errors import (
    BufferFormatError,
    CacheMissError,
    ChecksumMismatchError,
    ConversionError,
    SeamlessConversionError,
    SeamlessError,
)

HEX = "ab" * 32


@pytest.mark.parametrize("name", errors.__all__)
def test_every_error_is_caught_as_seamless_error(name: str) -> None:
    assert issubclass(getattr(errors, name), SeamlessError)


@pytest.mark.parametrize("cls", [BufferFormatError, ChecksumMismatchError, ConversionError])
def test_errors_about_content_are_value_errors(cls: type[Exception]) -> None:
    assert issubclass(cls, ValueError)


def test_a_cache_miss_is_no_lookup_error() -> None:
    assert not issubclass(CacheMissError, (LookupError, ValueError, OSError))


def test_a_cache_miss_shows_the_bare_digest() -> None:
    assert str(CacheMissError(HEX)) == HEX


def test_the_published_name_is_the_same_class() -> None:
    assert SeamlessConversionError is ConversionError


def test_every_error_is_drawn_in_the_module_docstring() -> None:
    assert errors.__doc__ is not None
    for name in errors.__all__:
        assert name in errors.__doc__


def test_a_mismatch_names_both_checksums() -> None:
    error = ChecksumMismatchError(HEX, "cd" * 32)
    assert HEX in str(error)
    assert "cd" * 32 in str(error)


def test_a_mismatch_survives_pickling() -> None:
    error = pickle.loads(pickle.dumps(ChecksumMismatchError(HEX, "cd" * 32)))
    assert (error.expected, error.actual) == (HEX, "cd" * 32)


def test_a_conversion_error_survives_pickling_with_its_pair() -> None:
    error = pickle.loads(pickle.dumps(ConversionError("no way", source="int", target="python")))
    assert (str(error), error.source, error.target) == ("no way", "int", "python")
