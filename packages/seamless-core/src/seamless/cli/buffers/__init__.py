"""`seamless-buffers`: maintenance of buffer directories; a module for each of its commands."""

from __future__ import annotations
