"""The back ends: SQLite by default, PostgreSQL by URL."""

from __future__ import annotations
