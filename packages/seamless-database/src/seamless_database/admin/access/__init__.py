"""Open, read and create databases: SQLite files and PostgreSQL, for every sub-command."""

from __future__ import annotations
