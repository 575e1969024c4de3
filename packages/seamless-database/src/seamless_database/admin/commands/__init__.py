"""The sub-commands of `seamless-database-admin`, one a file."""

from __future__ import annotations
