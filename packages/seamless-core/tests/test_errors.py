"""The errors: their base classes, messages and pickles."""

from __future__ import annotations

import pickle
import sys
import traceback

import pytest

from seamless import errors
from seamless.errors import (
    BufferFormatError,
    BufferServerError,
    CacheMissError,
    ChecksumMismatchError,
    ConversionError,
    SeamlessConversionError,
    SeamlessError,
)

HEX = "ab" * 32


@pytest.mark.parametrize("name", [n for n in errors.__all__ if not n.endswith("Warning")])
def test_every_error_is_caught_as_seamless_error(name: str) -> None:
    assert issubclass(getattr(errors, name), SeamlessError)


@pytest.mark.parametrize("cls", [BufferFormatError, ChecksumMismatchError, ConversionError])
def test_errors_about_content_are_value_errors(cls: type[Exception]) -> None:
    assert issubclass(cls, ValueError)


def test_a_cache_miss_is_not_a_lookup_error() -> None:
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


def test_a_mismatch_can_be_pickled() -> None:
    error = pickle.loads(pickle.dumps(ChecksumMismatchError(HEX, "cd" * 32)))
    assert (error.expected, error.actual) == (HEX, "cd" * 32)


def test_a_conversion_error_is_pickled_with_its_pair() -> None:
    error = pickle.loads(pickle.dumps(ConversionError("no way", source="int", target="python")))
    assert (str(error), error.source, error.target) == ("no way", "int", "python")


TRIED = (("cache", "no"), ("directory /x", "no"), ("http://host:5577", "timeout"))


def test_a_cache_miss_lists_the_searched_sources() -> None:
    miss = CacheMissError(HEX, tried=TRIED)
    assert str(miss) == HEX
    assert miss.args == (HEX,)
    assert miss.tried == TRIED
    assert miss.details() == "cache: no; directory /x: no; http://host:5577: timeout"


def test_a_cache_miss_without_steps_has_no_details() -> None:
    miss = CacheMissError("a sentence")
    assert (miss.tried, miss.details()) == ((), "")


@pytest.mark.skipif(sys.version_info < (3, 11), reason="notes came with Python 3.11")
def test_the_traceback_of_a_cache_miss_shows_the_searched_sources() -> None:
    shown = "".join(traceback.format_exception_only(CacheMissError(HEX, tried=TRIED)))
    assert shown.endswith(
        f": {HEX}\ntried cache: no; directory /x: no; http://host:5577: timeout\n"
    )


def test_a_cache_miss_is_pickled_with_its_sources() -> None:
    miss = pickle.loads(pickle.dumps(CacheMissError(HEX, tried=TRIED)))
    assert (str(miss), miss.tried) == (HEX, TRIED)
    shown = "".join(traceback.format_exception_only(type(miss), miss))
    assert shown.count("tried") <= 1


def test_an_error_of_a_server_names_it_and_can_be_pickled() -> None:
    error = pickle.loads(pickle.dumps(BufferServerError("http://host:1", "HTTP 503", status=503)))
    assert (error.url, error.reason, error.status) == ("http://host:1", "HTTP 503", 503)
    assert str(error).startswith("buffer server http://host:1: HTTP 503; ")
    assert isinstance(error, OSError)
