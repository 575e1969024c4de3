"""The back end for one SQLite file."""

from __future__ import annotations
