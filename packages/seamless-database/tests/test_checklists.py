"""The checklists "Add a request type", "Add a table" and "Add an admin command" of CONTRIBUTING.md.

Tests follow the first steps of each in a scratch copy of the package. Each of the others names
a step that is missing.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from database_samples import checksum
from database_server import Server

import seamless_database
from seamless_database.admin import checks, merge_tables, provenance
from seamless_database.admin.checks import CHECKSUM_COLUMNS
from seamless_database.client import AsyncDatabaseClient, DatabaseClient, calls
from seamless_database.client.calls import Call
from seamless_database.models import Base
from seamless_database.request_types import READS, WRITES
from seamless_database.storage.open import open_database
from seamless_database.tables import TABLES

MODELS = {mapper.class_.__tablename__: mapper.class_ for mapper in Base.registry.mappers}
#: the tables of results, which `admin/merge_results.py` merges together
RESULT_TABLES = {
    "irreproducible_transformation",
    "meta_data",
    "rev_transformation",
    "transformation",
}

TABLE = """
#: texts about transformations
NOTE = Table(
    "note",
    SCHEMA,
    Column("checksum", CHAR(64), primary_key=True),
    Column("text", Text, nullable=False),
)
"""
MODEL = '''

class Note(Base):
    """A text about a transformation."""

    __table__ = tables.NOTE
    __tablename__ = __table__.name

    checksum: Mapped[str]
    text: Mapped[str]
'''
REQUEST_TYPE = '''"""Notes: one text for each transformation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from sqlalchemy import bindparam, delete, select

from seamless_database.json_codec import spaced
from seamless_database.protocol.field_types import CHECKSUM, TEXT, FieldSpecs
from seamless_database.request_types.base import ReadRequest, WriteRequest
from seamless_database.request_types.bulk_write import BulkWrite, entries
from seamless_database.request_types.damage import valid_text
from seamless_database.request_types.statements import (
    Statement,
    StatementConnection,
    insert_statement,
)
from seamless_database.request_types.transformation import transformation_key
from seamless_database.tables import NOTE

_IS_KEY = NOTE.c.checksum == bindparam("checksum")
_TEXT = Statement(select(NOTE.c.text).where(_IS_KEY))
_DELETE = Statement(delete(NOTE).where(_IS_KEY))
_INSERT = insert_statement(NOTE, "checksum", "text")


@dataclass(frozen=True, slots=True)
class GetNote(ReadRequest):
    """Read the note of a transformation."""

    checksum: str
    field_types: ClassVar[FieldSpecs] = {"checksum": CHECKSUM}
    is_point_lookup: ClassVar[bool] = True

    def run(self, connection: StatementConnection) -> str | None:
        """Return a JSON string."""
        row = connection.one(_TEXT, checksum=self.checksum)
        text = None if row is None else valid_text(row[0], NOTE.c.text, self.checksum)
        return None if text is None else spaced(text)


@dataclass(frozen=True, slots=True)
class PutNote(WriteRequest):
    """Store the note of a transformation."""

    checksum: str
    text: str
    field_types: ClassVar[FieldSpecs] = {"checksum": CHECKSUM, "value": TEXT}

    def lock_keys(self) -> tuple[str, ...]:
        return (transformation_key(self.checksum),)

    def run(self, connection: StatementConnection) -> None:
        """Replace the note."""
        connection.run(_DELETE, checksum=self.checksum)
        connection.run(_INSERT, checksum=self.checksum, text=self.text)


class PutNotes(BulkWrite):
    """Store the notes of many transformations."""

    single = PutNote
    single_type = "note"
    field_types = entries(PutNote)
'''


COMMAND = '''"""`lookup FILE CHECKSUM`: the result of a transformation."""

from __future__ import annotations

from typing import Any

import click
from sqlalchemy import select

from seamless_database.admin import options
from seamless_database.admin.access.database import open_snapshot
from seamless_database.admin.access.target import DatabaseTarget, display_name
from seamless_database.admin.console import ProgressBars, progress_bars, show
from seamless_database.models import Transformation


@click.command()
@options.database
@click.argument("checksum", type=options.CHECKSUM)
@options.as_json
def lookup(file: DatabaseTarget, checksum: str, as_json: bool) -> None:
    """Show the result of a transformation."""
    with progress_bars() as progress:
        findings = run_lookup(file, checksum, progress)
    show(findings, as_json=as_json)


def run_lookup(database: DatabaseTarget, checksum: str, progress: ProgressBars) -> dict[str, Any]:
    """Read the result from one snapshot of the database."""
    with progress.task("Opening") as report, open_snapshot(database, report) as connection:
        statement = select(Transformation.result).where(Transformation.checksum == checksum)
        return {"file": display_name(database), "result": connection.scalar(statement)}
'''


@pytest.fixture
def copied_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the package, which other processes import."""
    package = tmp_path / "src" / "seamless_database"
    shutil.copytree(
        Path(seamless_database.__file__).parent,
        package,
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    monkeypatch.setenv("PYTHONPATH", str(package.parent))
    return package


@pytest.fixture
def scratch(copied_package: Path) -> Path:
    """A copy of the package with one more table and its request type."""
    package = copied_package
    for name, added in (("tables.py", TABLE), ("models.py", MODEL)):
        with (package / name).open("a") as module:
            module.write(added)
    (package / "request_types" / "note.py").write_text(REQUEST_TYPE)
    table = package / "request_types" / "__init__.py"
    text = table.read_text()
    imported = "from seamless_database.request_types.note import GetNote, PutNote, PutNotes\n"
    for anchor, added in (
        ("from seamless_database.request_types.semantic import", imported),
        ('    "protocol": GetProtocol,\n', '    "note": GetNote,\n'),
        (
            '    "semantic_to_syntactic": PutSemanticToSyntactic,\n',
            '    "note": PutNote,\n    "notes": PutNotes,\n',
        ),
    ):
        assert text.count(anchor) == 1
        text = text.replace(anchor, added + anchor)
    table.write_text(text)
    schema = package / "storage" / "postgresql" / "schema.py"
    assert schema.read_text().count("\nVERSION = 3\n") == 1
    schema.write_text(schema.read_text().replace("\nVERSION = 3\n", "\nVERSION = 4\n"))
    return package


def test_the_first_steps_make_a_request_type_and_its_table_work(
    scratch: Path, where: Path | str
) -> None:
    open_database(where, writable=True).close()
    note, key = "more than one\nline", checksum("tf")
    with Server(where) as server:
        assert server.get("note", checksum=key).status == 404
        assert server.put("note", checksum=key, value="first").text == "OK"
        assert server.put("note", checksum=key, value=note).text == "OK"
        assert server.get("note", checksum=key).json() == note
        assert server.put("note", checksum=key).status == 400
        other = checksum("other")
        outcomes = server.put("notes", value={key: note, other: "second", "x": ""}).json()
        assert (outcomes[other], outcomes["x"]["status"]) == ("stored", 400)
        assert server.get("note", checksum=other).json() == "second"
        schemas = server.ask("GET", path="/openapi.json").json()["components"]["schemas"]
        assert schemas["read_note"]["description"] == (
            "Read the note of a transformation. Return a JSON string."
        )
        assert schemas["write_note"]["required"] == ["type", "checksum", "value"]
        page = server.ask("GET", path="/metrics").text
        assert 'seamless_database_requests_total{method="PUT",status="200",type="note"} 2.0' in page
        call = Call("GET", b'{"type": "note", "checksum": "%b"}' % key.encode(), str)
        with DatabaseClient(f"http://{server.host}:{server.port}") as client:
            assert client.send(call) == '"more than one\\nline"'


def test_the_file_of_a_new_table_can_be_copied(scratch: Path, tmp_path: Path) -> None:
    file, copy = tmp_path / "seamless.db", tmp_path / "copy.db"
    with Server(file) as server:
        server.put("note", checksum=checksum("tf"), value="kept")
    words = [sys.executable, "-m", "seamless_database.admin", "copy", str(file), str(copy)]
    subprocess.run(words, check=True, env=os.environ, capture_output=True)
    with Server(copy) as server:
        assert server.get("note", checksum=checksum("tf")).json() == "kept"


def test_every_table_has_a_model() -> None:
    missing = set(TABLES) - set(MODELS)
    assert not missing, f"step 1 of a new table: models for {missing}"


def test_every_request_type_has_a_call_in_both_clients() -> None:
    names = {f"get_{name}" for name in READS} | {f"put_{name}" for name in WRITES}
    for place in (calls, DatabaseClient, AsyncDatabaseClient):
        missing = names - set(dir(place))
        assert not missing, f"add to client/calls.py and to both clients: {missing}"


def test_every_table_is_checked() -> None:
    checked = {check.model for check in checks.CHECKS}
    missing = set(MODELS.values()) - checked
    assert not missing, f"add to CHECKS in admin/checks.py: {missing}"


def test_every_table_can_be_merged() -> None:
    merged = RESULT_TABLES | {model.__tablename__ for model in merge_tables.RULES}
    missing = set(MODELS) - merged
    assert not missing, f"add to RULES in admin/merge_tables.py: {missing}"


def test_every_table_is_exported_with_what_it_depends_on() -> None:
    # reverse rows are made again from the results
    missing = set(MODELS.values()) - {link.model for link in provenance.LINKS}
    assert {model.__tablename__ for model in missing} == {"rev_transformation"}, (
        f"add to LINKS in admin/provenance.py: {missing}"
    )


def test_the_checksums_of_every_table_are_checked_and_pruned() -> None:
    missing = set(MODELS.values()) - set(CHECKSUM_COLUMNS)
    assert not missing, f"add to CHECKSUM_COLUMNS in admin/checks.py: {missing}"


def test_the_first_steps_make_an_admin_command_work(
    copied_package: Path, where: Path | str
) -> None:
    (copied_package / "admin" / "commands" / "lookup.py").write_text(COMMAND)
    cli = copied_package / "admin" / "cli.py"
    text = cli.read_text()
    imported = "    from seamless_database.admin.commands.lookup import lookup\n"
    for anchor, added in (
        ("    from seamless_database.admin.commands.merge import merge\n", imported),
        ("merge, migrate, prune, stats]", "lookup, "),
    ):
        assert text.count(anchor) == 1
        text = text.replace(anchor, added + anchor)
    cli.write_text(text)
    with open_database(where, writable=True) as database:
        database.put({"type": "transformation", "checksum": checksum(1), "value": checksum(2)})
    program = [sys.executable, "-W", "error", "-m", "seamless_database.admin"]
    words = ["lookup", str(where), checksum(1), "--json"]
    done = subprocess.run([*program, *words], check=True, capture_output=True, text=True)
    assert json.loads(done.stdout)["result"] == checksum(2)
    done = subprocess.run([*program, "--help"], check=True, capture_output=True, text=True)
    assert "\n  lookup   Show the result of a transformation.\n" in done.stdout
