"""One environment for the whole run, one place for the tests of a module."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from neighbours.environment import ROW, Environment, SetupError, environment
from neighbours.place import Place


@pytest.fixture(scope="session")
def neighbours() -> Iterator[Environment]:
    """The published packages of the chosen row, with our wheels."""
    try:
        with environment() as made:
            yield made
    except SetupError as error:
        if ROW in os.environ:  # who asks for a row wants to know
            raise
        pytest.skip(f"the published neighbours cannot be installed here: {error}")


@pytest.fixture(scope="module")
def place(neighbours: Environment, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    place = Place(tmp_path_factory.mktemp("place"), neighbours)
    yield place
    place.end()
    assert place.processes() == []
