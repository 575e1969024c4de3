"""Bridge: seamless-transformer, imported on first touch of `seamless.transformer`.

The names here are the very objects of `seamless_transformer`. Where it is not installed the
module is empty; where it is installed and broken, its own error shows.
"""

from __future__ import annotations

try:
    from seamless_transformer import *  # noqa: F403 - a bridge has the names of the other side
except ModuleNotFoundError as error:
    if error.name != "seamless_transformer":
        raise
