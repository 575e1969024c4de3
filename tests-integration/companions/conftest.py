"""One environment for the whole run, one place for the tests of a module."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from companions.environment import ROW, Environment, SetupError, environment
from companions.sandbox import Sandbox


@pytest.fixture(scope="session")
def companions() -> Iterator[Environment]:
    """The published packages of the chosen row, with our wheels."""
    try:
        with environment() as made:
            yield made
    except SetupError as error:
        if ROW in os.environ:  # who asks for a row wants to know
            raise
        pytest.skip(f"the published companion packages cannot be installed here: {error}")


@pytest.fixture(scope="module")
def sandbox(companions: Environment, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    sandbox = Sandbox(tmp_path_factory.mktemp("place"), companions)
    yield sandbox
    sandbox.end()
    assert sandbox.processes() == []
