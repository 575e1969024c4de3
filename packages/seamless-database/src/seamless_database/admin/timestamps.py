"""When the computation of an execution record took place, if the record knows; pure.

Minimal records have no time. Full ones may have some, under a name of the list below, at the top
or one level down; the earlier name in the list counts.
"""

from __future__ import annotations

import math
from datetime import datetime, timezone
from typing import Any

#: where a time may be found; the end of a computation is preferred to its beginning
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
#: numbers beyond this count milliseconds since 1970, not seconds
_MILLISECONDS = 1e11


def time_of(record: dict[str, Any]) -> datetime | None:
    """Find the time of a record."""
    levels = [record, *(value for value in record.values() if isinstance(value, dict))]
    for name in FIELDS:
        for level in levels:
            if name in level and (found := read(level[name])) is not None:
                return found
    return None


def read(value: object) -> datetime | None:
    """Take a time from JSON: ISO 8601 text, without a zone in UTC, or seconds since 1970."""
    try:
        if isinstance(value, str):
            # Python 3.10 does not know the Z
            found = datetime.fromisoformat(value.strip().replace("Z", "+00:00"))
            found = found if found.tzinfo else found.replace(tzinfo=timezone.utc)
            return found.astimezone(timezone.utc)
        if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
            return None
        seconds = value / 1000 if value > _MILLISECONDS else value
        return datetime.fromtimestamp(seconds, timezone.utc) if math.isfinite(seconds) else None
    except (ValueError, OverflowError, OSError):
        return None


def shown(time: datetime | None) -> str | None:
    """Write a time the way it is printed."""
    return None if time is None else time.isoformat(timespec="seconds").replace("+00:00", "Z")
