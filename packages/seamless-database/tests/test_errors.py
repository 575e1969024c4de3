from __future__ import annotations

import inspect
import re

import pytest

from seamless_database import errors

CLASSES = [
    kind
    for _, kind in inspect.getmembers(errors, inspect.isclass)
    if issubclass(kind, errors.DatabaseError)
]


@pytest.mark.parametrize("kind", CLASSES)
def test_every_error_is_drawn_with_its_builtin(kind: type[errors.DatabaseError]) -> None:
    lines = (errors.__doc__ or "").splitlines()
    line = next(line for line in lines if re.search(rf"\b{kind.__name__}\b", line))
    own = [base.__name__ for base in kind.__bases__ if base.__module__ == "builtins"]
    if kind is not errors.DatabaseError:
        assert re.findall(r"\((\w+)\)", line) == own


@pytest.mark.parametrize("kind", CLASSES)
def test_the_drawn_status_is_the_status(kind: type[errors.DatabaseError]) -> None:
    drawn = re.search(rf"\b{kind.__name__}\b.*?\b(\d{{3}})\b", errors.__doc__ or "")
    if drawn and "status" in vars(kind) and kind is not errors.DatabaseError:
        assert int(drawn[1]) == kind.status


@pytest.mark.parametrize(
    ("error", "name", "value"),
    [
        (errors.RequestError("x", "field name"), "field", "field name"),
        (errors.RequestTooLargeError(5), "limit", 5),
        (errors.DatabaseLockedError(2.5), "seconds", 2.5),
        (errors.FileReplacedError("a.db"), "path", "a.db"),
        (errors.FileError("a.db", "x"), "path", "a.db"),
        (errors.ServerError("postgresql://h/d", "x"), "name", "postgresql://h/d"),
        (errors.SchemaError("a.db", "x"), "path", "a.db"),
        (errors.StatusFileError("a.json", "x"), "path", "a.json"),
        (errors.TokenFileError("tokens", "x"), "path", "tokens"),
        (errors.CertificateError("a.pem", "x"), "path", "a.pem"),
        (errors.ClientError("http://h:1", "x"), "url", "http://h:1"),
    ],
)
def test_an_error_has_what_its_message_names(
    error: errors.DatabaseError, name: str, value: object
) -> None:
    assert getattr(error, name) == value
    if name != "field":
        assert str(value) in str(error)


@pytest.mark.parametrize(("count", "ending"), [(5, "4: no)"), (6, "4: no; and 1 more)")])
def test_the_error_of_a_bulk_write_shows_the_first_entries(count: int, ending: str) -> None:
    failed = {str(number): errors.ConflictError("no") for number in range(count)}
    error = errors.BulkWriteError(failed, 9)
    assert str(error).startswith(f"{count} of 9 entries were not stored (0: no; 1: no; ")
    assert str(error).endswith(ending)
    assert error.errors == failed


def test_a_message_is_shown_as_it_is() -> None:
    assert str(errors.UnknownKeyError("Unknown key")) == "Unknown key"
    assert str(errors.FileError("a.db", "it is a folder")) == (
        "cannot use the database file a.db: it is a folder"
    )
