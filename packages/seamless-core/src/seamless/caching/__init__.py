"""Keeping buffers: the cache of this process, and the queue of buffers on their way out."""

from __future__ import annotations
