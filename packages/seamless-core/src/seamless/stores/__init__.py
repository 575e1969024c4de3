"""Built-in places to keep buffers, for use without a neighbouring package."""

from __future__ import annotations
