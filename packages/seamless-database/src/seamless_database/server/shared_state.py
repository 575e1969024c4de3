"""What the processes of one server tell each other: a place in shared memory for each of them.

Nobody waits for anybody here. Who writes does so beside what was there before, so that there is
always something whole to read, also of a process that was killed while it wrote.
"""

from __future__ import annotations

import mmap
import struct
import zlib

#: bytes that one process may have there; they take memory only once they are used
SLOT_SIZE = 512 * 1024
#: in front of each text: how many there were before, its length, its checksum
_HEAD = struct.Struct("!QII")


class SharedState:
    """Made before the processes part; each writes to its own place, and reads any."""

    def __init__(self, slots: int) -> None:
        self.slots = slots
        self._memory = mmap.mmap(-1, 2 * SLOT_SIZE * slots)

    def write(self, place: int, text: bytes) -> None:
        """Replace what stands at a place; what does not fit stays unsaid."""
        if len(text) > SLOT_SIZE - _HEAD.size:
            return
        number = 1 + max(self._number(place, half) for half in (0, 1))
        start = self._start(place, number % 2)
        head = _HEAD.pack(number, len(text), zlib.crc32(text))
        self._memory[start : start + _HEAD.size + len(text)] = head + text

    def read(self, place: int) -> bytes | None:
        """Give what was written there last; None if there is nothing yet."""
        for half in sorted((0, 1), key=lambda half: self._number(place, half), reverse=True):
            start = self._start(place, half)
            number, length, check = _HEAD.unpack_from(self._memory, start)
            text = self._memory[start + _HEAD.size : start + _HEAD.size + length]
            # what is just being written, or never was completed, does not fit its checksum
            if number and length <= SLOT_SIZE and zlib.crc32(text) == check:
                return text
        return None

    def _number(self, place: int, half: int) -> int:
        number: int = _HEAD.unpack_from(self._memory, self._start(place, half))[0]
        return number

    @staticmethod
    def _start(place: int, half: int) -> int:
        return (2 * place + half) * SLOT_SIZE
