"""Damaged rows: stored values that no server writes are logged and treated as missing.

A damaged value is a miss for a read, and a PUT replaces it.
"""

from __future__ import annotations

import logging
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from seamless_database.json_codec import stored_json, stored_object

if TYPE_CHECKING:
    from sqlalchemy import Column

_LOG = logging.getLogger(__name__)
#: bytes of a SHA-256 digest
_DIGEST_BYTES = 32
#: seconds since 1970, until the year 5138
_SECONDS = re.compile(r"[0-9]{1,11}\.[0-9]{3}")
#: damaged rows in the cache that lets each be logged once
_MAX_CACHED = 1000
#: characters of a key that a log line shows
_MAX_SHOWN = 100


def valid_checksum(value: object, column: Column[Any], key: object) -> str | None:
    """Return a stored checksum; None if the value in the row of `key` is damaged."""
    if isinstance(value, str):
        # twice as fast as a regular expression
        try:
            digest = bytes.fromhex(value)
        except ValueError:
            digest = b""
        if len(digest) == _DIGEST_BYTES and digest.hex() == value:
            return value
    _log_damage(column, key)
    return None


def valid_checksums(values: list[object], column: Column[Any], key: object) -> list[str]:
    """Return those of many stored values that are checksums."""
    return [found for value in values if (found := valid_checksum(value, column, key))]


def valid_object(value: object, column: Column[Any], key: object) -> str | None:
    """Return the text of a stored JSON object for a response; None if it is damaged."""
    text = stored_object(value)
    if text is None:
        _log_damage(column, key)
    return text


def valid_json(value: object, column: Column[Any], key: object) -> str | None:
    """Return the text of any stored JSON for a response; None if it is damaged."""
    text = stored_json(value)
    if text is None:
        _log_damage(column, key)
    return text


def valid_text(value: object, column: Column[Any], key: object) -> str | None:
    """Return a stored text; None if the value is not a text."""
    if isinstance(value, str):
        return value
    _log_damage(column, key)
    return None


def valid_seconds(value: object, column: Column[Any], key: object) -> float | None:
    """Return a stored decimal number of seconds, such as a time; None if it is damaged."""
    if is_seconds(value):
        return float(str(value))
    _log_damage(column, key)
    return None


def is_seconds(value: object) -> bool:
    """Whether a stored value is a decimal number of seconds."""
    return isinstance(value, str) and _SECONDS.fullmatch(value) is not None


def _log_damage(column: Column[Any], key: object) -> None:
    _log(column.table.name, column.name, ascii(key)[:_MAX_SHOWN])


@lru_cache(_MAX_CACHED)
def _log(table: object, column: str, key: str) -> None:
    _LOG.error(
        "the column %s of the table %s is damaged in a row of %s; the row counts as missing until "
        "a PUT replaces it (seamless-database-admin check finds all such rows)",
        column,
        table,
        key,
    )
