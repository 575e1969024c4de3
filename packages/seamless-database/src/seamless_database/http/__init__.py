"""The HTTP side of the server: the application, its limits, authentication and request log."""

from __future__ import annotations
