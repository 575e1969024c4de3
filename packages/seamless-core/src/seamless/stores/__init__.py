"""Built-in buffer stores: directories and hashservers, for use without seamless-remote."""

from __future__ import annotations
