"""Telling the cache of this process what buffers cost, for it to choose who leaves first.

The costs are in seconds. How they make a score is said in `worth`; what is assumed of buffers
that nobody said anything about, in `cost_book`. Nothing here keeps a buffer, and everything
may be called from any thread.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from seamless.caching import buffer_cache
from seamless.caching.cost_model import (
    DEFAULT_LOCAL_HASH_PROFILE,
    DEFAULT_READ_BUFFER_PROFILE,
    DEFAULT_REMOTE_HASH_PROFILE,
    DEFAULT_TRANSFORMATION_SECONDS,
    CostProfile,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from seamless.util.hex_digest import HexDigest


__all__ = [
    "DEFAULT_LOCAL_HASH_PROFILE",
    "DEFAULT_READ_BUFFER_PROFILE",
    "DEFAULT_REMOTE_HASH_PROFILE",
    "DEFAULT_TRANSFORMATION_SECONDS",
    "CostProfile",
    "get_cost",
    "override_download_cost",
    "record_transformation_cost",
    "register_buffer_length",
    "register_dependencies",
    "set_download_profile",
]


def get_cost(checksum: HexDigest, buffer_length: int | None = None) -> float:
    """Return the seconds that it takes to have a buffer again, as far as is known."""
    return buffer_cache.get_buffer_cache().reload_seconds(checksum, buffer_length)


def set_download_profile(checksum: HexDigest, profile: str) -> None:
    """Say where a buffer can be had: `read_buffer`, `local_hashserver`, `remote_hashserver`.

    Raises
    ------
    ValueError
        When there is no such profile.
    """
    with buffer_cache.get_buffer_cache().update_costs(checksum) as costs:
        costs.set_profile(checksum, profile)


def override_download_cost(checksum: HexDigest, cost: float) -> None:
    """Say how many seconds a download takes, whatever its profile.

    Raises
    ------
    ValueError
        When that is no finite number from 0 on.
    """
    with buffer_cache.get_buffer_cache().update_costs(checksum) as costs:
        costs.set_download_seconds(checksum, cost)


def record_transformation_cost(checksum: HexDigest, cpu_seconds: float | None) -> None:
    """Say how long the transformation took that made a buffer; None is not known.

    Raises
    ------
    ValueError
        When that is no finite number from 0 on.
    """
    seconds = DEFAULT_TRANSFORMATION_SECONDS if cpu_seconds is None else cpu_seconds
    with buffer_cache.get_buffer_cache().update_costs(checksum) as costs:
        costs.set_compute_seconds(checksum, seconds)


def register_dependencies(checksum: HexDigest, dependencies: Iterable[HexDigest] | None) -> None:
    """Say which buffers are needed to compute this one again; None for none."""
    with buffer_cache.get_buffer_cache().update_costs(checksum) as costs:
        costs.set_dependencies(checksum, dependencies or ())


def register_buffer_length(checksum: HexDigest, buffer_length: int | None) -> None:
    """Say how long a buffer is that is not here; None is not known.

    Raises
    ------
    ValueError
        When it is negative or more than any buffer can have.
    """
    if buffer_length is None:
        return
    with buffer_cache.get_buffer_cache().update_costs(checksum) as costs:
        costs.set_length(checksum, buffer_length)
