"""Bridge: seamless-config, imported on first touch of `seamless.config`.

The names here are the very objects of `seamless_config`, without a wrapper: it finds the
user's folder from the frame that calls it. Where seamless-config is not installed the module
is empty; where it is installed and broken, its own error shows.
"""

from __future__ import annotations

try:
    from seamless_config import *  # noqa: F403 - a bridge has the names of the other side
except ModuleNotFoundError as error:
    if error.name != "seamless_config":
        raise
