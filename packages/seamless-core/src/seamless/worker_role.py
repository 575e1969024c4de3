"""The flag of a worker process, which computes for its parent process and has no buffer cache.

seamless-transformer sets the flag in each process that it spawns. In a worker, `close` does
nothing, and the parent has the buffer cache.
"""

from __future__ import annotations

__all__ = ["is_worker", "set_is_worker"]

_is_worker = False


def is_worker() -> bool:
    """Return whether this process is a worker."""
    return _is_worker


def set_is_worker(value: bool = True) -> None:
    """Mark this process as a worker, or as an ordinary process."""
    global _is_worker  # noqa: PLW0603 - one flag for each process
    _is_worker = bool(value)
