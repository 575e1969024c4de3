"""How a command opens, reads and creates databases, on either back end."""

from __future__ import annotations
