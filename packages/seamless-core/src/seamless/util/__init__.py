"""Small services below the rest of the package; `unchecksum` is imported by published packages.

`unchecksum` knows the `Checksum` class and is imported at its first use, so that the modules of
this folder can be imported below that class.
"""

from __future__ import annotations

__all__ = ["unchecksum"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from seamless.util._unchecksum import unchecksum


def __getattr__(name: str) -> object:
    if name != "unchecksum":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from seamless.util._unchecksum import unchecksum

    globals()[name] = unchecksum
    return unchecksum
