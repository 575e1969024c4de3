"""Costs of reloading buffers, in seconds, for the eviction score of the cache of this process.

`score` computes the score from the costs; `cost_model` has the defaults. No function here holds a
reference, and all are thread-safe.
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
    """Return the estimated seconds that it takes to download or recompute a buffer."""
    return buffer_cache.get_buffer_cache().reload_seconds(checksum, buffer_length)


def set_download_profile(checksum: HexDigest, profile: str) -> None:
    """Set the kind of store of a buffer: `read_buffer`, `local_hashserver`, `remote_hashserver`.

    Raises
    ------
    ValueError
        For another name.
    """
    with buffer_cache.get_buffer_cache().update_costs(checksum) as costs:
        costs.set_profile(checksum, profile)


def override_download_cost(checksum: HexDigest, cost: float) -> None:
    """Set the seconds of a download, instead of those of its profile.

    Raises
    ------
    ValueError
        When it is negative or not finite.
    """
    with buffer_cache.get_buffer_cache().update_costs(checksum) as costs:
        costs.set_download_seconds(checksum, cost)


def record_transformation_cost(checksum: HexDigest, cpu_seconds: float | None) -> None:
    """Set the seconds of the transformation that produced a buffer; None if not known.

    Raises
    ------
    ValueError
        When it is negative or not finite.
    """
    seconds = DEFAULT_TRANSFORMATION_SECONDS if cpu_seconds is None else cpu_seconds
    with buffer_cache.get_buffer_cache().update_costs(checksum) as costs:
        costs.set_compute_seconds(checksum, seconds)


def register_dependencies(checksum: HexDigest, dependencies: Iterable[HexDigest] | None) -> None:
    """Set the input buffers of the transformation that produced this one; None for none."""
    with buffer_cache.get_buffer_cache().update_costs(checksum) as costs:
        costs.set_dependencies(checksum, dependencies or ())


def register_buffer_length(checksum: HexDigest, buffer_length: int | None) -> None:
    """Set the length of a buffer that is not in memory; None if not known.

    Raises
    ------
    ValueError
        When it is negative or above 2**63 - 1.
    """
    if buffer_length is None:
        return
    with buffer_cache.get_buffer_cache().update_costs(checksum) as costs:
        costs.set_length(checksum, buffer_length)
