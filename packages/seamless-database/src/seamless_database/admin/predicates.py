"""Whether a stored text is damaged, row by row; pure."""

from __future__ import annotations

import json
import math
import re
from typing import Any, NoReturn

from seamless_database.admin.access.rows import as_json, as_object
from seamless_database.request_types.irreproducible import NO_RECORD

#: what every text with such a number holds, and few others
_SUSPECT = re.compile(r"NaN|Infinity|[eE]\+?[0-9]{3}|[0-9]{309}")


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


def not_an_object(text: object) -> bool:
    """Whether something else is stored than a JSON object."""
    return as_object(text) is None


def is_no_list(text: object) -> bool:
    """Whether something else is stored than a JSON list."""
    return text != "[]" and not isinstance(as_json(text), list)


def is_no_text(*values: object) -> bool:
    """Whether anything else is stored than text in UTF-8."""
    return not all(isinstance(value, str) for value in values)


def has_non_finite(text: object) -> bool:
    """Whether readable JSON holds NaN, an infinity, or a number beyond the range of doubles."""
    if not isinstance(text, str) or not _SUSPECT.search(text):
        return False
    try:
        json.loads(text, parse_constant=_refuse, parse_float=_finite)
    except _OddNumberError:
        return True
    except (ValueError, RecursionError):
        return False
    return False


def without_odd_numbers(text: str) -> Any:
    """Read JSON, with null for such numbers."""
    return json.loads(text, parse_constant=lambda _constant: None, parse_float=_finite_or_none)


class _OddNumberError(Exception):
    """The text holds NaN or an infinity."""


def _refuse(_constant: str) -> NoReturn:
    raise _OddNumberError


def _finite(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise _OddNumberError
    return number


def _finite_or_none(digits: str) -> float | None:
    number = float(digits)
    return None if math.isinf(number) else number
