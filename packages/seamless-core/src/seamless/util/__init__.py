"""Helpers below the rest of the package; published packages import `unchecksum` from here."""

from __future__ import annotations

from seamless.util._unchecksum import unchecksum

__all__ = ["unchecksum"]
