"""Bridge: seamless-config, imported on first touch of `seamless.config`.

The names are the objects of `seamless_config` themselves, without wrappers: seamless-config
determines the user's folder from the calling frame. If seamless-config is not installed, the
module is empty; if its import fails, its own error is raised.
"""

from __future__ import annotations

try:
    from seamless_config import *  # noqa: F403 - a bridge re-exports all names
except ModuleNotFoundError as error:
    if error.name != "seamless_config":
        raise
