"""Requests of the tests about one transformation, sent to an open back end."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from database_samples import checksum, record

if TYPE_CHECKING:
    from seamless_database.storage.backend import Backend

TF, ONE, TWO = checksum("transformation"), checksum("one result"), checksum("another result")


def get(database: Backend, kind: str, **fields: object) -> Any:
    answer = database.get({"type": kind, **fields})
    return answer and (json.loads(answer) if answer[0] in "[{" else answer)


def put(database: Backend, kind: str, **fields: object) -> None:
    database.put({"type": kind, **fields})


def put_record(database: Backend, result: str = ONE, **changes: object) -> dict[str, Any]:
    body = record(TF, result, **changes)
    put(database, "metadata", checksum=TF, result=result, value=body)
    return body
