"""The buffer cache of this process, and the queue that uploads its buffers."""

from __future__ import annotations
