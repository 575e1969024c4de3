"""Small services that neighbouring packages import."""

from __future__ import annotations

from seamless.util._unchecksum import unchecksum

__all__ = ["unchecksum"]
