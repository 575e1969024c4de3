"""How an answer is given that is not at hand: the sign for it, and who hears it then."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, auto

#: hears what was found, None being a miss, or the error
ReadCallback = Callable[[str | None, BaseException | None], None]
#: is called with the error of a write, or with None once the write is safe
WriteCallback = Callable[[BaseException | None], None]


class Later(Enum):
    """In place of an answer that would hold up an event loop."""

    LATER = auto()
