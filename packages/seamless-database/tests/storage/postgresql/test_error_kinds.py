from __future__ import annotations

import psycopg
import pytest
from psycopg import errors

from seamless_database.storage.postgresql.error_kinds import ErrorKind, error_kind


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (errors.SerializationFailure(), ErrorKind.RETRY),
        (errors.DeadlockDetected(), ErrorKind.RETRY),
        (errors.UniqueViolation(), ErrorKind.RETRY),
        (errors.LockNotAvailable(), ErrorKind.LOCKED),
        (errors.QueryCanceled(), ErrorKind.LOCKED),
        (errors.AdminShutdown(), ErrorKind.LOST),
        (errors.CannotConnectNow(), ErrorKind.LOST),
        (errors.IdleInTransactionSessionTimeout(), ErrorKind.LOST),
        (errors.ConnectionFailure(), ErrorKind.LOST),
        (psycopg.OperationalError("the connection is closed"), ErrorKind.LOST),
        (errors.UndefinedTable(), ErrorKind.NO_TABLE),
        (errors.CheckViolation(), ErrorKind.REJECTED),
        (errors.ProgramLimitExceeded(), ErrorKind.REJECTED),
        (errors.DiskFull(), ErrorKind.BROKEN),
        (errors.ReadOnlySqlTransaction(), ErrorKind.BROKEN),
        (psycopg.ProgrammingError(), ErrorKind.BROKEN),
    ],
)
def test_each_error_has_its_kind(error: psycopg.Error, kind: ErrorKind) -> None:
    assert error_kind(error) is kind
