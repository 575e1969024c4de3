"""Data named by the SHA-256 of its bytes."""

from __future__ import annotations

__version__ = "0.2.0"
