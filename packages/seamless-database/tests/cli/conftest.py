"""What the tests of the command share: a database file, a status file and a taken port."""

from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING

import pytest
from database_samples import checksum
from server_command import LAUNCHER

from seamless_database import Database

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A database file with one transformation."""
    path = tmp_path / "seamless.db"
    with Database(path, writable=True) as database:
        database.put({"type": "transformation", "checksum": checksum(1), "value": checksum(2)})
    return path


@pytest.fixture
def status(tmp_path: Path) -> Path:
    """A status file as a launcher writes it."""
    path = tmp_path / "status.json"
    path.write_text(json.dumps(LAUNCHER))
    return path


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that another socket listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]
