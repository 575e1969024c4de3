"""The umbrella format: nested dicts and lists that hold arrays, scalars and strings.

Three kinds of content, told apart by how they begin:

- a `.npy` file (`MAGIC_NUMPY`) for a single array or NumPy record,
- a mixed container (`MAGIC_SEAMLESS_MIXED`) for containers with binary parts,
- JSON for everything else.
"""

from __future__ import annotations

from seamless.util.mixed.container import MAGIC_SEAMLESS, MAGIC_SEAMLESS_MIXED

__all__ = ["MAGIC_NUMPY", "MAGIC_SEAMLESS", "MAGIC_SEAMLESS_MIXED"]

MAGIC_NUMPY = b"\x93NUMPY"
