"""The command `seamless-database`."""

from __future__ import annotations
