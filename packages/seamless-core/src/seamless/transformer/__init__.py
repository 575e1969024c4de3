"""Bridge: `seamless.transformer` has the names of the package seamless-transformer only.

The package is imported at the first use of this module. The settings of the buffer stores of
seamless-core are in `stores/configured.py`.

The names are the objects of `seamless_transformer` themselves. If it is not installed, the module
is empty; if its import fails, its own error is raised.
"""

from __future__ import annotations

try:
    from seamless_transformer import *  # noqa: F403 - a bridge re-exports all names
except ModuleNotFoundError as error:
    if error.name != "seamless_transformer":
        raise
