"""Alias: `seamless.util.lru`, under the name that seamless-remote imports."""

from __future__ import annotations

from seamless.util.lru import LRU as lrucache  # noqa: N811 - the published name

__all__ = ["lrucache"]
