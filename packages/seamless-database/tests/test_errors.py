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


def test_a_message_is_shown_as_it_is() -> None:
    assert str(errors.UnknownKeyError("Unknown key")) == "Unknown key"
    assert str(errors.FileError("a.db", "it is a folder")) == (
        "cannot use the database file a.db: it is a folder"
    )
