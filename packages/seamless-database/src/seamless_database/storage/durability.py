"""What an acknowledged write survives, on either back end."""

from __future__ import annotations

from enum import Enum


class Durability(Enum):
    """What an acknowledged write survives; a process that is killed, in any case."""

    #: power cuts too: the answer comes after the sync
    FULL = "full"
    #: a power cut may take the last moments with it, but leaves the database sound
    RELAXED = "relaxed"
