"""Bridge: seamless-transformer, imported on first touch of `seamless.transformer`.

The names are the objects of `seamless_transformer` themselves. If it is not installed, the module
is empty; if its import fails, its own error is raised.
"""

from __future__ import annotations

try:
    from seamless_transformer import *  # noqa: F403 - a bridge re-exports all names
except ModuleNotFoundError as error:
    if error.name != "seamless_transformer":
        raise
