from __future__ import annotations

from seamless_database.request_types.statements import insert_statement
from seamless_database.storage.postgresql.dialect import create_statements, sql_text
from seamless_database.tables import REV_TRANSFORMATION, TABLES


def test_every_table_is_created_with_its_indexes() -> None:
    commands = "\n".join(create_statements())
    for name, table in TABLES.items():
        assert f"CREATE TABLE {name} (" in commands
        for index in table.indexes:
            assert f"INDEX {index.name} ON {name} " in commands


def test_an_id_is_left_to_the_database() -> None:
    text = sql_text(insert_statement(REV_TRANSFORMATION, "result", "checksum"))
    assert text == (
        "INSERT INTO rev_transformation (result, checksum) VALUES (%(result)s, %(checksum)s)"
    )
