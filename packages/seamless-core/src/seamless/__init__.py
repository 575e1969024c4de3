"""Data named by the SHA-256 of its bytes.

Importing this package does no work: NumPy, the codecs and the neighbouring packages are
loaded when they are first needed, threads start with the first buffer to write out. Even the
two classes come at first use, for the sake of the commands, which need neither.
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

#: Whether `close` has been called. Neighbours read it here, and their tests set it back.
_closed: bool = False
#: Whether something has been done that asks for a `close` before the interpreter exits.
_require_close: bool = False

#: names that load the classes: those, and the modules that come with them
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
