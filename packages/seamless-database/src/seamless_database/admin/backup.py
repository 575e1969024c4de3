"""A copy of a file beside it, before something is changed; its name tells what and when."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seamless_database.admin.opening import back_up, existing

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path


def back_up_before(
    path: Path, what: str, now: datetime, progress: Callable[[int, int], None] | None = None
) -> Path:
    """Copy a file; returns the copy."""
    file = existing(path)
    stem = f"{file.name}.before-{what}-{now:%Y%m%dT%H%M%S}"
    copy, number = file.with_name(stem), 1
    while copy.exists():
        number += 1
        copy = file.with_name(f"{stem}-{number}")
    try:
        back_up(file, copy, progress)
    except BaseException:
        copy.unlink(missing_ok=True)
        raise
    return copy
