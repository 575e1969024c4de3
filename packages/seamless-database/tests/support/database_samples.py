"""Checksums and execution records for the tests."""

from __future__ import annotations

import hashlib
from typing import Any


def checksum(number: object) -> str:
    """Any checksum; another one for another number."""
    return hashlib.sha256(repr(number).encode()).hexdigest()


def record(transformation: str, result: str, **changes: object) -> dict[str, Any]:
    """A minimal execution record."""
    return {
        "schema_version": 1,
        "tf_checksum": transformation,
        "result_checksum": result,
        "seamless_version": "1.0",
        "execution_mode": "process",
        "remote_target": None,
        "wall_time_seconds": 0.5,
        "cpu_time_user_seconds": 0.25,
        "cpu_time_system_seconds": 0.125,
        "memory_peak_bytes": 12345678,
        "gpu_memory_peak_bytes": None,
        **changes,
    }
