"""Seamless: data identified by the SHA-256 of its bytes.

Importing this package is cheap: NumPy, the codecs and the companion packages are imported at
their first use, and the upload thread starts with the first upload. Even `Buffer` and `Checksum`
are imported at first use, because the commands need neither.
"""

from __future__ import annotations

from seamless.errors import CacheMissError, LossyValueWarning
from seamless.shutdown import close, ensure_open, register_close_hook
from seamless.worker_role import is_worker, set_is_worker

TYPE_CHECKING = False  # known to type checkers; importing typing costs more than the rest here
if TYPE_CHECKING:
    from seamless.buffer_class import Buffer
    from seamless.checksum_class import Checksum

__all__ = [
    "Buffer",
    "CacheMissError",
    "Checksum",
    "LossyValueWarning",
    "close",
    "ensure_open",
    "is_worker",
    "register_close_hook",
    "set_is_worker",
]

__version__ = "0.2.0"

#: Whether `close` has been called. Companion packages read it here, and their tests reset it.
_closed: bool = False
#: Whether `close` must be called before the interpreter exits.
_require_close: bool = False

#: names whose first use imports the classes
_WITH_CLASSES = ("Buffer", "Checksum", "buffer_class", "caching", "checksum_class")


def __getattr__(name: str) -> object:
    if name not in _WITH_CLASSES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from seamless.buffer_class import Buffer
    from seamless.checksum_class import Checksum

    namespace = globals()
    namespace |= {"Buffer": Buffer, "Checksum": Checksum}
    return namespace[name]


def __dir__() -> list[str]:
    return sorted({*globals(), *_WITH_CLASSES})
