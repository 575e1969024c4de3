"""Data named by the SHA-256 of its bytes.

Importing this package does no work: NumPy, the codecs and the neighbouring packages are
loaded when they are first needed, threads start with the first buffer to write out.
"""

from __future__ import annotations

from .buffer_class import Buffer
from .checksum_class import Checksum
from .errors import CacheMissError
from .shutdown import close, ensure_open, register_close_hook
from .worker_role import is_worker, set_is_worker

__all__ = [
    "Buffer",
    "CacheMissError",
    "Checksum",
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
