from __future__ import annotations

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg import errors

from seamless_database.models import RevTransformation
from seamless_database.request_types.statements import insert_statement
from seamless_database.storage.postgresql.dialect import (
    Fault,
    create_statements,
    fault,
    loaded,
    stored,
    text_of,
)
from seamless_database.storage.sqlite.schema import TABLES


@given(st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from("\x00\x01\x02")))
def test_every_text_comes_back_and_holds_no_nul_meanwhile(text: str) -> None:
    assert "\x00" not in stored(text)
    assert loaded((stored(text), 5, None)) == (text, 5, None)


@given(st.lists(st.text(st.sampled_from("\x00\x01\x02a"), max_size=4), unique=True))
def test_different_texts_stay_different(texts: list[str]) -> None:
    assert len({stored(text) for text in texts}) == len(texts)


@given(st.lists(st.text(st.sampled_from("\x00\x01\x02a"), max_size=4)))
def test_texts_keep_their_order(texts: list[str]) -> None:
    assert sorted(texts, key=stored) == sorted(texts)


def test_every_table_is_created_with_its_indexes() -> None:
    commands = "\n".join(create_statements())
    for name, table in TABLES.items():
        assert f"CREATE TABLE {name} (" in commands
        for index in table.indexes:
            assert f"INDEX {index.name} ON {name} " in commands


def test_an_id_is_left_to_the_database() -> None:
    text = text_of(insert_statement(RevTransformation, "result", "checksum"))
    assert text == (
        "INSERT INTO rev_transformation (result, checksum) VALUES (%(result)s, %(checksum)s)"
    )


@pytest.mark.parametrize(
    ("error", "meaning"),
    [
        (errors.SerializationFailure(), Fault.AGAIN),
        (errors.DeadlockDetected(), Fault.AGAIN),
        (errors.UniqueViolation(), Fault.AGAIN),
        (errors.LockNotAvailable(), Fault.LOCKED),
        (errors.QueryCanceled(), Fault.LOCKED),
        (errors.AdminShutdown(), Fault.LOST),
        (errors.CannotConnectNow(), Fault.LOST),
        (errors.IdleInTransactionSessionTimeout(), Fault.LOST),
        (errors.ConnectionFailure(), Fault.LOST),
        (psycopg.OperationalError("the connection is closed"), Fault.LOST),
        (errors.UndefinedTable(), Fault.NO_TABLE),
        (errors.CheckViolation(), Fault.REFUSED),
        (errors.ProgramLimitExceeded(), Fault.REFUSED),
        (errors.DiskFull(), Fault.BROKEN),
        (errors.ReadOnlySqlTransaction(), Fault.BROKEN),
        (psycopg.ProgrammingError(), Fault.BROKEN),
    ],
)
def test_an_error_tells_what_it_means_for_others(error: psycopg.Error, meaning: Fault) -> None:
    assert fault(error) is meaning
