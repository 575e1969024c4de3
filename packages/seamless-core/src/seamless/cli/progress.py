"""`Progress`: shows a progress bar on a terminal for work that takes long."""

from __future__ import annotations

import os
import sys
import time

TYPE_CHECKING = False  # known to type checkers; importing typing would slow every start
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    class _Bar(Protocol):
        def update(self, n: float, /) -> object: ...
        def close(self) -> None: ...


__all__ = ["Progress", "file_progress", "on_terminal"]

#: seconds of work before a bar appears
DELAY_SECONDS = 1.0


def on_terminal() -> bool:
    """Return whether standard error is a terminal."""
    return sys.stderr is not None and sys.stderr.isatty()


class Progress:
    """Counts completed work, from any thread; shows a bar on a terminal after a delay.

    Parameters
    ----------
    total
        Units of work, or None if it is unknown.
    unit
        `B` for bytes (shown as KiB, MiB), or the name of another unit.
    shown
        Whether a bar may appear; by default on a terminal.
    clock
        Returns a time in seconds.
    """

    def __init__(
        self,
        total: int | None,
        unit: str,
        *,
        shown: bool | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._total, self._unit, self._clock = total, unit, clock
        self._shown = on_terminal() if shown is None else shown
        self._due = clock() + DELAY_SECONDS if self._shown else 0.0
        self._done = 0
        self._bar: _Bar | None = None
        if self._shown:
            from seamless.util.locks import new_lock

            #: guards `_done` and `_bar`
            self._lock = new_lock()

    def advance(self, count: int) -> None:
        """Add `count` completed units."""
        if not self._shown:
            return
        with self._lock:
            self._done += count
            if self._bar is not None:
                self._bar.update(count)
            elif self._clock() >= self._due:
                self._bar = self._open()

    def _open(self) -> _Bar:
        from tqdm import tqdm

        tqdm.monitor_interval = 0  # without its thread, since files are hashed in forked processes
        in_bytes = self._unit == "B"
        bar: _Bar = tqdm(
            total=self._total,
            initial=self._done,
            unit=self._unit,
            unit_scale=in_bytes,
            unit_divisor=1024 if in_bytes else 1000,
            leave=False,
            file=sys.stderr,
        )
        return bar

    def __enter__(self) -> Callable[[int], None] | None:
        return self.advance if self._shown else None

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()


def file_progress(path: str) -> Progress:
    """Return the progress of reading one file; the total of a pipe is unknown."""
    total = None
    if on_terminal() and os.path.isfile(path):  # noqa: PTH113 - pathlib would slow every start
        total = os.path.getsize(path)  # noqa: PTH202 - as above
    return Progress(total, "B")
