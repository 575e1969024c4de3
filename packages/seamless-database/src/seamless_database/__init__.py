"""The computation cache of Seamless, served over HTTP."""

from __future__ import annotations

__version__ = "2.2.0"
