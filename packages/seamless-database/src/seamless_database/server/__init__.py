"""Running the server: one process or several workers, sockets, TLS, signals, status file."""

from __future__ import annotations
