"""Whether this process is a worker: a process that computes for a parent and owns no cache.

seamless-transformer marks each process that it spawns. In a worker `close` does nothing and
the buffer cache is the parent's.
"""

from __future__ import annotations

__all__ = ["is_worker", "set_is_worker"]

_is_worker = False


def is_worker() -> bool:
    """Tell whether this process has been marked as a worker."""
    return _is_worker


def set_is_worker(value: bool = True) -> None:
    """Mark this process as a worker, or as none."""
    global _is_worker  # noqa: PLW0603 - the one flag of this process
    _is_worker = bool(value)
