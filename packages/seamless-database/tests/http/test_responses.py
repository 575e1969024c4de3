from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from seamless_database.errors import (
    ConflictError,
    DatabaseClosedError,
    UnknownKeyError,
)
from seamless_database.http.responses import CHUNK_SIZE, Response, error_response

if TYPE_CHECKING:
    from seamless_database.errors import DatabaseError


def test_a_lone_surrogate_is_shown_by_its_number() -> None:
    assert Response(200, "\u00e9\ud800").body() == b"\xc3\xa9\\ud800"


@pytest.mark.parametrize("character", ["x", "\u00e9", "\ud800", "\U0001f600"])
def test_the_chunks_are_the_body(character: str) -> None:
    response = Response(200, character * (2 * CHUNK_SIZE + 3))
    chunks = list(response.iter_chunks())
    assert len(chunks) == 3
    assert response.size() == len(response.body())
    assert b"".join(chunks) == response.body()


@pytest.mark.parametrize(
    ("error", "status"),
    [(ConflictError("no"), 409), (UnknownKeyError("no"), 404), (DatabaseClosedError(), 503)],
)
def test_an_error_of_the_package_has_its_status_and_text(error: DatabaseError, status: int) -> None:
    assert error_response(error) == Response(status, f"ERROR: {error}")


def test_an_unexpected_error_is_logged_and_not_shown(caplog: pytest.LogCaptureFixture) -> None:
    response = error_response(RuntimeError("a detail"))
    assert response.status == 500
    assert response.text.startswith("ERROR: ")
    assert "a detail" not in response.text
    assert "a detail" in caplog.text
