"""The time at which an execution record was made, from the fields of the record; pure functions.

A minimal record has no time. A full record can have several, at its top or one level down; the
first name in `FIELDS` that holds a time is used.
"""

from __future__ import annotations

import math
from datetime import datetime, timezone
from typing import Any

#: names of fields that hold a time; the end of a computation is preferred to its start
FIELDS = (
    "finished_at",
    "completed_at",
    "ended_at",
    "end_time",
    "captured_at",
    "recorded_at",
    "created_at",
    "timestamp",
    "started_at",
    "start_time",
    "submitted_at",
)
#: larger numbers are milliseconds since 1970, not seconds
_MILLISECONDS = 1e11


def time_of(record: dict[str, Any]) -> datetime | None:
    """Find the time of a record."""
    levels = [record, *(value for value in record.values() if isinstance(value, dict))]
    for name in FIELDS:
        for level in levels:
            if name in level and (time := parse_time(level[name])) is not None:
                return time
    return None


def parse_time(value: object) -> datetime | None:
    """Parse a JSON value: ISO 8601 text (UTC if it has no zone), or seconds since 1970."""
    try:
        if isinstance(value, str):
            # Python 3.10 cannot parse the Z
            time = datetime.fromisoformat(value.strip().replace("Z", "+00:00"))
            time = time if time.tzinfo else time.replace(tzinfo=timezone.utc)
            return time.astimezone(timezone.utc)
        if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
            return None
        seconds = value / 1000 if value > _MILLISECONDS else value
        return datetime.fromtimestamp(seconds, timezone.utc) if math.isfinite(seconds) else None
    except (ValueError, OverflowError, OSError):
        return None


def format_time(time: datetime | None) -> str | None:
    """Format a time for the output, in UTC with a Z."""
    return None if time is None else time.isoformat(timespec="seconds").replace("+00:00", "Z")
