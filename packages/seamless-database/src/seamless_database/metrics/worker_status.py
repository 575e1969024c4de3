"""The status that each worker process publishes in shared memory, and the others read.

No process waits for another one. Each slot has two halves, and a worker writes to the one that
readers do not use, so that there is always a complete status to read, also of a process that was
killed while it wrote.
"""

from __future__ import annotations

import json
import mmap
import os
import struct
import time
import zlib
from dataclasses import dataclass
from typing import Any

#: bytes of each half of a slot; they take memory only once they are used
SLOT_SIZE = 512 * 1024
#: in front of each text: its sequence number, length and CRC
_HEADER = struct.Struct("!QII")


@dataclass(frozen=True, slots=True)
class WorkerStatus:
    """What one worker has published; times are of the monotonic clock."""

    pid: int
    #: when its last request finished
    last_active: float
    published: float
    metrics: dict[str, Any]


class SharedState:
    """Shared memory with one slot for each worker; created before the supervisor forks."""

    def __init__(self, slots: int) -> None:
        self.slots = slots
        self._memory = mmap.mmap(-1, 2 * SLOT_SIZE * slots)

    def write(self, slot: int, text: bytes) -> None:
        """Replace the text of a slot; a text that is too long is not written."""
        if len(text) > SLOT_SIZE - _HEADER.size:
            return
        number = 1 + max(self._sequence_number(slot, half) for half in (0, 1))
        start = self._start(slot, number % 2)
        header = _HEADER.pack(number, len(text), zlib.crc32(text))
        self._memory[start : start + _HEADER.size + len(text)] = header + text

    def read(self, slot: int) -> bytes | None:
        """Read the text that was last written to a slot; None if there is none yet."""
        halves = sorted((0, 1), key=lambda half: self._sequence_number(slot, half), reverse=True)
        for half in halves:
            start = self._start(slot, half)
            number, length, crc = _HEADER.unpack_from(self._memory, start)
            text = self._memory[start + _HEADER.size : start + _HEADER.size + length]
            # a half that is being written, or was never completed, does not match its CRC
            if number and length <= SLOT_SIZE and zlib.crc32(text) == crc:
                return text
        return None

    def read_statuses(self) -> dict[int, WorkerStatus]:
        """Read the status of each worker that has published one, by its number."""
        texts = {slot: self.read(slot) for slot in range(self.slots)}
        return {
            slot: WorkerStatus(*json.loads(text))
            for slot, text in texts.items()
            if text is not None
        }

    def _sequence_number(self, slot: int, half: int) -> int:
        number: int = _HEADER.unpack_from(self._memory, self._start(slot, half))[0]
        return number

    @staticmethod
    def _start(slot: int, half: int) -> int:
        return (2 * slot + half) * SLOT_SIZE


@dataclass(frozen=True, slots=True)
class StatusSlot:
    """The slot of one worker."""

    #: number of the worker, counted from 0
    number: int
    shared_state: SharedState

    def publish(self, idle_seconds: float, metrics: dict[str, Any]) -> None:
        """Publish how long this process has been idle, and its metrics."""
        now = time.monotonic()
        text = json.dumps([os.getpid(), now - idle_seconds, now, metrics])
        self.shared_state.write(self.number, text.encode())

    def previous(self) -> WorkerStatus | None:
        """Read the status that the previous process with this slot published."""
        return self.shared_state.read_statuses().get(self.number)

    def others(self) -> list[WorkerStatus]:
        """Read the statuses of the other workers."""
        found = self.shared_state.read_statuses()
        return [status for number, status in found.items() if number != self.number]
