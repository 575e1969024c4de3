"""Judge stored JSON, row by row; pure."""

from __future__ import annotations

import json
from typing import NoReturn

from seamless_database.admin.rows import as_json, as_object
from seamless_database.json_forms import sorted_and_indented, stored_value
from seamless_database.records.irreproducible import NO_RECORD


def is_bad_record(checksum: object, result: object, text: object) -> bool:
    """Whether an execution record cannot be read, or belongs to something else."""
    record = as_object(text)
    return (
        record is None or record.get("tf_checksum") != checksum
        or record.get("result_checksum") != result
    )  # fmt: skip


def is_bad_contested_record(text: object) -> bool:
    """Whether the record of a contested result cannot be read; there may be none."""
    return text not in ("", NO_RECORD) and as_object(text) is None


def is_no_object(text: object) -> bool:
    """Whether something else is stored than a JSON object."""
    return as_object(text) is None


def is_no_list(text: object) -> bool:
    """Whether something else is stored than a JSON list."""
    return text != "[]" and not isinstance(as_json(text), list)


def has_odd_numbers(text: object) -> bool:
    """Whether readable JSON holds numbers that have no JSON form."""
    if not isinstance(text, str) or not ("NaN" in text or "Infinity" in text):
        return False
    try:
        json.loads(text, parse_constant=_refuse)
    except _OddNumberError:
        return True
    except (ValueError, RecursionError):
        return False
    return False


def without_odd_numbers(text: str) -> str:
    """Write buffer info anew, with null for such numbers."""
    return sorted_and_indented(stored_value(text))


class _OddNumberError(Exception):
    """The text holds NaN or an infinity."""


def _refuse(_constant: str) -> NoReturn:
    raise _OddNumberError
